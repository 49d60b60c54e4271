"""The Prefect server goes away in the middle of a command: the work is done all the same."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from flows.prefect_server import await_ready, free_port, settings_for, start_server, stop
from integrations.sandbox.market import Market
from tests.flows.cli.conftest import ROOT, CommandLine

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("prefect")]

FIRST, ORDERS = 480_000_201, 20


@dataclass(frozen=True)
class Prefect:
    """A server of this test alone, and the variables that name it."""

    process: Process
    url: str
    variables: dict[str, str]


@pytest.fixture
async def prefect(prefect_home: Path, tmp_path: Path) -> AsyncIterator[Prefect]:
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    process = await start_server(prefect_home, port)
    try:
        await await_ready(process, url, prefect_home / "server.log")
        yield Prefect(process, url, settings_for(tmp_path / "client", url))
    finally:
        await stop(process)


def fill(database_url: str, market: Market) -> None:
    """As many orders as cancellations of them, and an eMAG that takes its time."""
    with psycopg.connect(database_url) as connection:
        for order_id in range(FIRST, FIRST + ORDERS):
            market.add_order({"id": order_id, "status": 2})
            connection.execute(
                "INSERT INTO app.cancellation_requests (emag_order_id) VALUES (%s)", [str(order_id)]
            )
    market.switches = replace(market.switches, answer_seconds=1.0)


async def lose_the_server_in(
    command: tuple[str, ...],
    prefect: Prefect,
    shop: dict[str, str],
    market: Market,
    folder: Path,
) -> Process:
    """A command whose server is killed as soon as eMAG is asked."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", *command),
        env={**os.environ, "PYTHONPATH": str(ROOT), **shop, **prefect.variables},
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    while not (market.journal.requests or process.returncode):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    prefect.process.kill()
    await prefect.process.wait()
    return process


def cancelled(market: Market) -> int:
    orders = map(market.orders.get, range(FIRST, FIRST + ORDERS))
    return sum(1 for order in orders if order and order["status"] == 0)


async def test_a_run_whose_server_goes_away_ends_with_its_report_and_a_line(
    prefect: Prefect, shop: dict[str, str], market: Market, database_url: str, tmp_path: Path
) -> None:
    fill(database_url, market)

    command = ("run", "cancellations")
    process = await lose_the_server_in(command, prefect, shop, market, tmp_path)
    out, err = await process.communicate()

    assert process.returncode == 0
    assert f"│ synced │   {ORDERS} │" in out.decode()
    _, said = err.decode().splitlines()
    assert said == (
        f"the Prefect server at {prefect.url} went away: the work is done, but this run's end is"
        " not recorded there"
    )
    assert cancelled(market) == ORDERS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_run_whose_server_went_away_ends_when_it_is_told_to(
    prefect: Prefect,
    shop: dict[str, str],
    market: Market,
    database_url: str,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    fill(database_url, market)
    market.switches = replace(market.switches, answer_seconds=5.0)

    command = ("run", "cancellations")
    process = await lose_the_server_in(command, prefect, shop, market, tmp_path)
    process.send_signal(number)
    out, err = await process.communicate()

    assert (process.returncode, out) == (130, b"")
    assert err.decode().splitlines()[1:] == ["emag-flows: interrupted"]


@pytest.mark.parametrize(
    "command",
    [
        ("backfill", "--since", "2026-01-01", "--until", "2026-01-02", "--json"),
        ("reconcile", "--recount-minutes", "0", "--json"),
        ("run", "health", "--json"),
    ],
)
async def test_the_other_commands_show_what_they_found_too(
    prefect: Prefect,
    shop: dict[str, str],
    market: Market,
    tmp_path: Path,
    command: tuple[str, ...],
) -> None:
    market.switches = replace(market.switches, answer_seconds=1.0)

    process = await lose_the_server_in(command, prefect, shop, market, tmp_path)
    out, err = await process.communicate()

    assert out.decode().strip()[0] in "[{"
    assert "Traceback" not in err.decode()
    assert err.decode().splitlines()[-1].endswith("this run's end is not recorded there")


@asynccontextmanager
async def refusing_server() -> AsyncIterator[str]:
    """The API address of something that is healthy, and fails at everything else."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        status = b"200 OK" if b"/api/health" in asked else b"500 Internal Server Error"
        writer.write(b"HTTP/1.1 %s\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}" % status)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"


async def test_a_server_that_refuses_the_run_is_done_without(
    emag_flows: CommandLine,
    shop: dict[str, str],
    market: Market,
    database_url: str,
    tmp_path: Path,
) -> None:
    fill(database_url, market)

    async with refusing_server() as url:
        said = await emag_flows(
            "run", "cancellations", "--json", **settings_for(tmp_path / "client", url)
        )

    assert (said.code, said.json["rows"]["synced"]) == (0, ORDERS)
    assert said.err.splitlines()[1].startswith(f"the Prefect server at {url} failed (")
    assert said.err.splitlines()[1].endswith("): running directly, without Prefect")
    assert len(said.err.splitlines()) == 2
