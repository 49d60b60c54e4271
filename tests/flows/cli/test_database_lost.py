"""The database is stopped in the middle of a run and started again: what is said, what is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from integrations.embedded import EmbeddedError, postmaster
from integrations.erp.rows import Kind
from integrations.ledger.books import BOOKS
from integrations.sandbox.market import Market
from migrations.run import upgrade
from tests.flows.cli.conftest import CommandLine, Said
from tests.kills.server import Server, serving_postgres

FIRST, ORDERS = 480_000_101, 40

PATIENCE_SECONDS = 60.0

DATABASE_PASSWORD = "s3cret-of-the-database"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A PostgreSQL of this test alone, set up."""
    with serving_postgres(tmp_path / "pg") as server:
        upgrade(server.url)
        yield server


@pytest.fixture
def database_url(server: Server) -> str:
    """Its address, with a password that it does not ask for."""
    url = make_url(server.url).set(password=DATABASE_PASSWORD)
    return url.render_as_string(hide_password=False)


def stop(server: Server) -> None:
    running = postmaster.running(server.home)
    assert running is not None
    postmaster.stop(server.home, running)


def start(server: Server) -> None:
    latest = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < latest:
        with suppress(EmbeddedError):
            postmaster.start(server.home, server.options)
            return
    raise TimeoutError("PostgreSQL did not come back")


def fill(database_url: str, market: Market) -> None:
    """As many orders as cancellations of them in the ERP."""
    with psycopg.connect(database_url) as connection:
        for order_id in range(FIRST, FIRST + ORDERS):
            market.add_order({"id": order_id, "status": 2})
            connection.execute(
                "INSERT INTO app.cancellation_requests (emag_order_id, reason)"
                " VALUES (%s, 'customer_request')",
                [str(order_id)],
            )


def is_reading(market: Market) -> bool:
    return bool(market.journal.requests)


def is_saving(market: Market) -> bool:
    return bool(market.journal.effects)


def time_passes(database_url: str) -> None:
    """The leases of the run that failed have run out, and what rested is due."""
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE app.emag_order_leases SET expires_at = clock_timestamp()")
        connection.execute(
            f"UPDATE {BOOKS[Kind.CANCELLATION].name} SET next_attempt_at = clock_timestamp()"
            " WHERE sync_state IN ('pending', 'waiting', 'in_doubt')".encode()
        )


async def run_and_lose_it(
    program: CommandLine, server: Server, market: Market, is_time: Callable[[Market], bool]
) -> Said:
    """A run whose database goes while requests are under way."""
    run = asyncio.ensure_future(program("run", "cancellations", "--json"))
    while not (is_time(market) or run.done()):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    await asyncio.to_thread(stop, server)
    return await run


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("is_time", [is_reading, is_saving])
async def test_a_run_that_loses_the_database_says_so_in_a_line_and_the_next_one_finishes(
    program: CommandLine,
    market: Market,
    server: Server,
    database_url: str,
    is_time: Callable[[Market], bool],
) -> None:
    fill(database_url, market)
    market.switches = replace(market.switches, answer_seconds=1.0)  # requests are under way

    lost = await run_and_lose_it(program, server, market, is_time)

    way, said = lost.err.splitlines()
    assert lost.code == 3
    assert way.startswith("PREFECT_API_URL is not set")
    assert said.startswith("emag-flows: the database failed (")
    assert said.endswith(
        "see that it runs and repeat the command, which goes on where this one stopped"
    )
    assert DATABASE_PASSWORD not in lost.out + lost.err

    await asyncio.to_thread(start, server)
    time_passes(database_url)
    next_one = await program("run", "cancellations", "--json")

    assert (next_one.code, next_one.json["rows"]["synced"]) == (0, ORDERS)
    orders = map(market.orders.get, range(FIRST, FIRST + ORDERS))
    assert {order["status"] for order in orders if order} == {0}
    assert [*market.journal.repeated(), *market.journal.violations()] == []
