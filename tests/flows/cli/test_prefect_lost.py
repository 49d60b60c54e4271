"""The Prefect server goes away in the middle of a command: the work is done all the same."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psycopg
import pytest
from prefect.settings import PREFECT_API_URL

from flows.prefect_server import settings_for
from integrations.sandbox.market import Market
from tests.flows.cli.conftest import ROOT, CommandLine

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("prefect-cli")]

FIRST, ORDERS = 480_000_201, 20


@dataclass
class Prefect:
    """The way to a server that others use, too: once it is cut, the server is gone for its user.

    Starting a server for each test, to kill it, would take seconds.
    """

    host: str
    port: int
    connections: set[StreamWriter] = field(default_factory=set)
    server: asyncio.Server = field(init=False)
    url: str = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        async with await asyncio.start_server(self._connect, "127.0.0.1", 0) as self.server:
            self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/api"
            yield self
            self.cut()

    def cut(self) -> None:
        """Nobody is listening any more, and what is under way breaks."""
        self.server.close()
        for each in self.connections:
            each.transport.abort()

    async def _connect(self, reader: StreamReader, writer: StreamWriter) -> None:
        ours, theirs = await asyncio.open_connection(self.host, self.port)
        self.connections |= {writer, theirs}
        await asyncio.gather(_pass_on(reader, theirs), _pass_on(ours, writer))


async def _pass_on(source: StreamReader, target: StreamWriter) -> None:
    with suppress(ConnectionError):
        while some := await source.read(65536):
            target.write(some)
            await target.drain()
        target.write_eof()


@pytest.fixture
async def prefect(prefect_server: None) -> AsyncIterator[Prefect]:
    server = urlsplit(PREFECT_API_URL.value() or "")
    async with Prefect(str(server.hostname), server.port or 0).open() as prefect:
        yield prefect


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
    """A command whose server goes away as soon as eMAG is asked."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", *command),
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            **shop,
            **settings_for(folder / "client", prefect.url),
        },
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    while not (market.journal.requests or process.returncode):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    prefect.cut()
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
