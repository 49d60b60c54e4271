"""Two hosts with workers of one pool: they share the work, and one that dies leaves none undone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.deploy import deploy
from flows.prefect_server import descendants, environment, prefect_server, settings_for
from integrations.sandbox.market import Market
from tests.flows.asking import ENDED, LONGEST, ask

pytestmark = pytest.mark.long

FIRST, ORDERS = 480000101, 12
DEPLOYMENT = "cancellation-sync/scheduled"

STATES = "SELECT DISTINCT sync_state FROM app.emag_cancellation_integrations"
HOLDERS = "SELECT DISTINCT holder FROM app.emag_order_leases"
OWNED = "SELECT emag_order_id FROM app.emag_order_leases WHERE holder = %s"


@dataclass(frozen=True)
class Prefect:
    """A Prefect server that both hosts know."""

    url: str

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What the server answers."""
        return await ask(method, f"{self.url}{path}", body)

    async def run(self, rows: int) -> str:
        """Ask for a run that carries at most so many rows; its id."""
        found = await self.ask("GET", f"/deployments/name/{DEPLOYMENT}")
        parameters = {"account": "main", "direction": "out", "limit": rows}
        body = {"parameters": {"parameters": parameters}}
        run = await self.ask("POST", f"/deployments/{found['id']}/create_flow_run", body)
        return str(run["id"])

    async def state(self, run: str) -> str:
        return str((await self.ask("GET", f"/flow_runs/{run}"))["state_type"])

    async def ends(self, run: str) -> str:
        """Wait for a run's end; how it ended."""

        async def ended() -> bool:
            return await self.state(run) in ENDED

        await come(ended)
        return await self.state(run)


async def come(condition: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Wait until a condition holds."""
    latest = time.monotonic() + LONGEST
    while not await condition():
        assert time.monotonic() < latest, f"{condition.__qualname__} did not come"
        await asyncio.sleep(0.2)


async def column(database_url: str, statement: str, *values: object) -> set[Any]:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        found = await (await connection.execute(statement.encode(), values)).fetchall()
    return {row[0] for row in found}


@pytest.fixture
async def prefect(prefect_home: Path) -> AsyncIterator[Prefect]:
    """A server with our deployments: unscheduled, unwatched, and several runs may go at once."""
    async with prefect_server(prefect_home) as url:
        with temporary_settings({PREFECT_API_URL: url}):
            await deploy(["main"], None)
        prefect = Prefect(url)
        for found in await prefect.ask("POST", "/deployments/filter", {}):
            change = {"paused": True, "concurrency_limit": 3}
            await prefect.ask("PATCH", f"/deployments/{found['id']}", change)
        for found in await prefect.ask("POST", "/automations/filter", {}):
            await prefect.ask("DELETE", f"/automations/{found['id']}")
        yield prefect


def write_settings(folder: Path, shop: str) -> None:
    folder.mkdir()
    (folder / ".env").write_text(shop)


@asynccontextmanager
async def host(folder: Path, prefect: Prefect, shop: str) -> AsyncIterator[Process]:
    """A host of its own as far as files go, whose worker takes one run at a time."""
    write_settings(folder, shop)
    variables = {
        **settings_for(folder / "prefect", prefect.url),
        "HOME": str(folder),
        "EMAG_FLOWS_HOME": str(folder),
        "PREFECT_WORKER_QUERY_SECONDS": "3",
    }
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "prefect", "worker", "start", "--pool", "emag"),
        *("--type", "process", "--limit", "1", "--install-policy", "never"),
        env=environment(variables),
        cwd=folder,
        stdout=DEVNULL,
        stderr=DEVNULL,
        start_new_session=True,
    )
    try:
        yield worker
    finally:
        await kill(worker)


async def kill(host: Process) -> None:
    """The host's power fails: its worker and the worker's run end at once."""
    if host.returncode is None:
        runs = descendants(host.pid)  # in sessions of their own
        os.killpg(host.pid, signal.SIGKILL)
        for each in runs:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        await host.wait()


def process_of(holder: str) -> int:
    """The process that named itself as a lease's holder."""
    return int(holder.rpartition(":")[2])


def cancelled(market: Market, order_id: int) -> bool:
    order = market.orders.get(order_id)
    assert order is not None
    return bool(order["status"] == 0)


async def pass_time(database_url: str) -> None:
    """The dead host's leases run out, and what it had sent has surely arrived or never will."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("UPDATE app.emag_order_leases SET expires_at = clock_timestamp()")
        await connection.execute(
            "UPDATE app.emag_cancellation_integrations SET next_attempt_at = clock_timestamp()"
            " WHERE sync_state IN ('pending', 'in_doubt')"
        )


@pytest.fixture
def orders(market: Market, database_url: str) -> range:
    """New orders at eMAG that the ERP has cancelled; each takes several requests."""
    orders = range(FIRST, FIRST + ORDERS)
    market.add_orders([{"id": order_id, "status": 1} for order_id in orders])
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO app.cancellation_requests (emag_order_id, account_type)"
            " SELECT number::text, 'main' FROM unnest(%s::bigint[]) AS number",
            [list(orders)],
        )
    return orders


@pytest.fixture
def shop(database_url: str, emag_url: str) -> str:
    """The `.env` that both hosts have."""
    return f"""
        DATABASE_URL={database_url}
        EMAG_ENVIRONMENT=sandbox
        EMAG_BASE_URL={emag_url}
        EMAG_USERNAME=seller@example.com
        EMAG_PASSWORD=secret
        EMAG_QUIET_SECONDS=0
        EMAG_SETTLE_SECONDS=0
        EMAG_RATE_LIMIT_ORDERS=9
    """


async def test_what_a_killed_host_held_is_carried_once_by_the_other(
    tmp_path: Path, prefect: Prefect, market: Market, database_url: str, shop: str, orders: range
) -> None:
    """One test, because a Prefect server and two workers cost some seconds of a core."""
    answers = market.switches
    market.switches = replace(answers, answer_seconds=10.0)  # until both hosts are at work

    async with (
        host(tmp_path / "one", prefect, shop) as one,
        host(tmp_path / "two", prefect, shop),
    ):
        first, second = await prefect.run(ORDERS // 2), await prefect.run(ORDERS // 2)

        owned: dict[str, set[int]] = {}

        async def both_own_orders() -> bool:
            """All of them: who finds the other folding claims what is folded, and then the rest."""
            for each in await column(database_url, HOLDERS):
                owned[each] = await column(database_url, OWNED, each)
            return len(owned) == 2 and set.union(*owned.values()) == set(orders)

        await come(both_own_orders)

        market.switches = replace(answers, answer_seconds=0.5)

        [dying] = [each for each in owned if process_of(each) in descendants(one.pid)]

        async def in_the_middle() -> bool:
            return any(effect.id in owned[dying] for effect in market.journal.effects)

        await come(in_the_middle)
        await kill(one)
        assert any(not cancelled(market, order_id) for order_id in owned[dying])

        async def the_other_has_ended() -> bool:
            return sorted([await prefect.state(first), await prefect.state(second)]) == [
                "COMPLETED",
                "RUNNING",
            ]

        await come(the_other_has_ended)
        await pass_time(database_url)
        assert await prefect.ends(await prefect.run(ORDERS)) == "COMPLETED"

    assert await column(database_url, STATES) == {"synced"}
    assert all(cancelled(market, order_id) for order_id in orders)
    assert list(market.journal.repeated()) == []
    assert market.journal.violations() == []
