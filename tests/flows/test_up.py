"""`emag-flows up` as an operator starts it: all from nothing, and nothing left afterwards."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from flows.prefect_server import descendants
from integrations.embedded import postmaster, start_embedded
from integrations.sandbox.market import Market
from tests.flows.asking import ENDED, ask, cancellation_deployment, run_that_is
from tests.flows.cli.conftest import run_as_process

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("up")]

ADD = "INSERT INTO app.cancellation_requests (emag_order_id, account_type) VALUES (%s, 'main')"
SYNCED = "SELECT count(*) FROM app.emag_cancellation_integrations WHERE sync_state = 'synced'"
STATES = "SELECT sync_state, count(*) FROM app.emag_cancellation_integrations GROUP BY 1 ORDER BY 1"
LEASED = "SELECT count(*) FROM app.emag_order_leases"


@dataclass
class Up:
    """A running `emag-flows up` and what it has said so far."""

    process: Process
    lines: list[str] = field(default_factory=list)

    async def says(self, pattern: str) -> re.Match[str]:
        """Wait for a line; it is a failure when the program ends before."""
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode():
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern!r} was never said: {self.lines}")

    async def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        out, _ = await self.process.communicate()
        self.lines.append(out.decode())
        return self.process.returncode or 0


@pytest.fixture
def variables(emag_url: str) -> dict[str, str]:
    """A seller's environment: an account, and nothing else."""
    return {
        "EMAG_USERNAME": "seller@example.com",
        "EMAG_PASSWORD": "secret",
        "EMAG_BASE_URL": emag_url,
        "EMAG_QUIET_SECONDS": "0",
        "PYTHONPATH": str(ROOT),
    }


async def start(folder: Path, variables: dict[str, str], *arguments: str) -> Up:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", "up", *arguments),
        cwd=folder,
        env={**os.environ, **variables},
        stdout=PIPE,
        stderr=STDOUT,
    )
    return Up(process)


async def comes(database_url: str, count: int) -> None:
    """Wait until so many cancellations are synced."""
    for _ in range(600):
        if await rows(database_url, SYNCED) == [(count,)]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it was not carried")


async def add(database_url: str, market: Market) -> None:
    order = market.add_order({"status": 2})
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(ADD.encode(), [str(order["id"])])


async def gone(url: str) -> bool:
    """Wait until nobody listens at an address any more."""
    for _ in range(300):
        try:
            await ask("GET", url)
        except httpx.TransportError:
            return True
        except httpx.HTTPStatusError:
            pass
        await asyncio.sleep(0.1)
    return False


async def test_from_nothing_to_carrying_and_back_to_nothing(
    tmp_path: Path, variables: dict[str, str], market: Market
) -> None:
    """One test, because each start of a Prefect server takes ten seconds."""
    up = await start(tmp_path, variables)
    try:
        database = (await up.says(r"PostgreSQL, embedded: (\S+)"))[1]
        await up.says("resident loops")
        await add(database, market)
        await comes(database, 1)

        prefect, endpoints = (await up.says(r"Prefect (http\S+) · endpoints (http\S+)")).groups()
        run = await run_by_worker(prefect)
        assert (run["state_name"], run["name"]) == ("Completed", "cancellations-main-both")
        status = await ask("GET", f"{endpoints}/api/v1/emag/integration/status")
        assert status["status"] == "success"
        second = await start(tmp_path, variables)
        assert await second.process.wait() == 2
        assert "another `emag-flows up` is running" in (await second.says("another")).string

        assert await up.end(signal.SIGTERM) == 0, up.lines
    finally:
        with suppress(ProcessLookupError):
            up.process.kill()
    assert await gone(f"{prefect}/api/health")
    assert await gone(f"{endpoints}/health")
    assert postmaster.running(tmp_path / ".emag") is None

    await goes_on(tmp_path, variables, market, prefect)


async def goes_on(
    folder: Path, variables: dict[str, str], market: Market, prefect_before: str
) -> None:
    """A second start finds everything as it was left; killed, it leaves no part of Prefect.

    That nobody can be notified keeps nothing from it, and a server that is lost comes back.
    """
    port = prefect_before.rpartition(":")[2]
    settings = {
        **variables,
        "EMAG_NOTIFY_BLOCK": "slack-webhook/nobody",
        "EMAG_CANCELLATIONS_PAUSE_ABOVE": "2",
    }
    up = await start(folder, settings, "--port", port)
    try:
        database = (await up.says(r"PostgreSQL, embedded: (\S+)"))[1]
        assert "(14 unchanged)" in (await up.says("with its deployments")).string
        missing = (await up.says("slack-webhook/nobody")).string
        assert f"make a block of type slack-webhook and name nobody at {prefect_before}" in missing
        await add(database, market)
        await comes(database, 2)
        found = await ask("POST", f"{prefect_before}/api/flow_runs/filter", {})
        assert "cancellations-main-both" in {run["name"] for run in found}
        await waits_for_a_person(
            folder, settings | {"DATABASE_URL": database}, market, prefect_before
        )

        os.kill(prefect_of(up), signal.SIGKILL)
        back = await up.says("Prefect works again|with its deployments")
        assert back[0] == "Prefect works again"
        assert (await ask("GET", f"{prefect_before}/api/health")) is True
    finally:
        await up.end(signal.SIGKILL)
    assert await gone(f"{prefect_before}/api/health")
    if server := postmaster.running(folder / ".emag"):
        postmaster.stop(folder / ".emag", server)


async def waits_for_a_person(
    folder: Path, variables: dict[str, str], market: Market, prefect: str
) -> None:
    """More cancellations than may go unasked wait for the form of one run, and go as it says."""
    database, api = variables["DATABASE_URL"], f"{prefect}/api"
    before = list(market.journal.effects)
    for _ in range(4):
        await add(database, market)
    inbox = {**variables, "PREFECT_API_URL": api}
    refused = await begin_run(api, "SUSPENDED")
    press = f"press Resume on the suspended run {refused['name']} in Prefect"
    assert (await remedy(inbox, folder)).startswith(press)
    assert await rows(database, LEASED) == [(0,)]
    beside = await begin_run(api, "COMPLETED")
    assert beside["state_name"] == "Completed"
    assert market.journal.effects == before

    await answer(api, refused, {"approve": False})
    ended = await run_that_is(api, refused["id"], "COMPLETED")
    assert ended["state_name"] == "Refused by a person"
    assert market.journal.effects == before
    assert {state for state, _ in await rows(database, STATES)} <= {"pending", "synced"}
    assert await rows(database, SYNCED) == [(2,)]
    assert (await remedy(inbox, folder)).startswith("no run of cancellation-sync is suspended")

    approved = await begin_run(api, "SUSPENDED")
    await answer(api, approved, {"approve": True, "at_most": 3})
    ended = await run_that_is(api, approved["id"], "COMPLETED")
    assert ended["state_name"] == "Completed"
    assert await rows(database, STATES) == [("pending", 1), ("synced", 5)]


async def remedy(variables: dict[str, str], folder: Path) -> str:
    """What the inbox says is to be done about the cancellations that wait."""
    [approval] = (await run_as_process(["inbox", "--json"], variables, folder)).json
    return str(approval["remedy"])


async def begin_run(api: str, wanted: str) -> dict[str, Any]:
    """A run of a deployment as the UI starts it with what is set there."""
    deployment = await cancellation_deployment(api)
    run = await ask("POST", f"{api}/deployments/{deployment}/create_flow_run", {})
    return await run_that_is(api, run["id"], wanted)


async def answer(api: str, run: dict[str, Any], filled_in: dict[str, Any]) -> None:
    """Send the form, as the UI does when a person has filled it in.

    Prefect shows a run as suspended a moment before it has the form.
    """
    sent: dict[str, Any] = {}
    for _ in range(300):
        sent = await ask("POST", f"{api}/flow_runs/{run['id']}/resume", {"run_input": filled_in})
        if sent["details"].get("reason") != "Run input schema not found.":
            break
        await asyncio.sleep(0.1)
    assert sent["status"] == "ACCEPT", sent


async def rows(database_url: str, query: str) -> list[tuple[Any, ...]]:
    """What the seller's database answers."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        return await (await connection.execute(query.encode())).fetchall()


def prefect_of(up: Up) -> int:
    """The process of the Prefect server."""
    [server] = [
        each
        for each in descendants(up.process.pid)
        if b"flows.prefect_server\0server" in Path(f"/proc/{each}/cmdline").read_bytes()
    ]
    return server


async def test_its_own_database_is_started_again_or_said_to_be_lost(
    tmp_path: Path, prefect_home: Path, variables: dict[str, str], market: Market
) -> None:
    shutil.copytree(prefect_home, tmp_path / ".emag" / "prefect")
    up = await start(tmp_path, variables)
    try:
        database = (await up.says(r"PostgreSQL, embedded: (\S+)"))[1]
        await up.says("resident loops")
        await add(database, market)
        await comes(database, 1)

        os.kill(postgres_of(tmp_path), signal.SIGKILL)
        await up.says(r"PostgreSQL, embedded: it has ended; starting it again in")
        await up.says("the database works again")
        await add(database, market)
        await comes(database, 2)
        endpoints = (await up.says(r"endpoints (http\S+)"))[1]
        assert (await ask("GET", f"{endpoints}/ready")) == {"status": "ok"}

        assert left_in(tmp_path)
        control = tmp_path / ".emag" / "postgres" / "global" / "pg_control"
        lost = control.rename(control.with_suffix(".lost"))
        os.kill(postgres_of(tmp_path), signal.SIGKILL)
        last = (await up.says("emag-flows: embedded PostgreSQL")).string
        assert await up.process.wait() == 2
    finally:
        with suppress(ProcessLookupError):
            up.process.kill()
    assert re.search(r"pg_control.*set DATABASE_URL to use a PostgreSQL of your own$", last)
    assert await gone(f"{endpoints}/health")
    assert left_in(tmp_path) == []
    lost.rename(control)
    start_embedded(tmp_path / ".emag").stop()  # nobody else removes what it left in memory


def left_in(folder: Path) -> list[str]:
    """What works in a folder: the command lines of our program's parts and the database's."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (each / "cwd").readlink().is_relative_to(folder):
                found.append((each / "cmdline").read_text())
    return found


def postgres_of(folder: Path) -> int:
    """The process of the embedded PostgreSQL."""
    server = postmaster.running(folder / ".emag")
    assert server is not None
    return server.pid


async def run_by_worker(prefect: str) -> dict[str, Any]:
    """A run of a deployment as the UI starts it, when it has ended."""
    deployment = await cancellation_deployment(f"{prefect}/api")
    run: dict[str, Any] = await ask(
        "POST",
        f"{prefect}/api/deployments/{deployment}/create_flow_run",
        {"parameters": {"parameters": {"account": "main"}}},
    )
    return await run_that_is(f"{prefect}/api", run["id"], *ENDED)


async def test_a_port_that_was_asked_for_and_is_taken_is_said(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = await start(tmp_path, variables, "--port", str(port))
        line = await up.says("somebody listens")

    assert await up.process.wait() == 2
    assert str(port) in line.string


@pytest.mark.parametrize("folder", ["a-file", "a-file/below", "/proc/nowhere"])
async def test_a_data_folder_that_nothing_can_be_kept_in_is_said(
    tmp_path: Path, variables: dict[str, str], folder: str
) -> None:
    (tmp_path / "a-file").touch()

    up = await start(tmp_path, {**variables, "EMAG_DATA_DIR": folder})
    out, _ = await up.process.communicate()

    assert up.process.returncode == 2
    [line] = out.decode().splitlines()
    assert line.startswith(f"emag-flows: EMAG_DATA_DIR: nothing can be kept in {tmp_path / folder}")


async def test_without_an_account_nothing_is_started(tmp_path: Path) -> None:
    up = await start(tmp_path, {"PYTHONPATH": str(ROOT)})
    await up.says("EMAG_USERNAME")

    assert await up.process.wait() == 2
    assert not (tmp_path / ".emag").exists()
