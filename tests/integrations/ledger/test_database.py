"""The pool of connections to the seller's database, and how they are lent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import psycopg
import pytest

from integrations.erp.connection import Connection, rows_of
from integrations.ledger.database import autocommit, rolled_back, transaction
from integrations.ledger.engine import Engine
from integrations.ledger.patience import hang_up
from integrations.ledger.session import connect

PID = "SELECT pg_backend_pid()"
NOTE = "INSERT INTO app.noted VALUES (:what)"
SLEEP = "SELECT pg_sleep(60)"
SLEEPING = """
    SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND state = 'active' AND query = 'SELECT pg_sleep(60)'
"""

Way = Callable[[Engine], AbstractAsyncContextManager[Connection]]


@pytest.fixture
async def one(database_url: str) -> AsyncIterator[Engine]:
    """An engine with a single connection, and a table."""
    engine = Engine(database_url, connections=1)
    async with autocommit(engine) as connection:
        await connection.execute("CREATE TABLE app.noted (what text)")
    yield engine
    engine.close()


async def noted(engine: Engine) -> list[str]:
    async with autocommit(engine) as connection:
        return [row.what for row in await rows_of(connection, "TABLE app.noted")]


async def backend(engine: Engine) -> int:
    async with autocommit(engine) as connection:
        return int((await connection.execute(PID)).scalar_one())


def terminate(database_url: str, backend: int) -> None:
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])


async def test_a_connection_that_the_server_ended_while_nobody_used_it_is_made_anew(
    one: Engine, database_url: str
) -> None:
    before = await backend(one)
    terminate(database_url, before)
    assert await backend(one) != before


async def test_one_that_the_server_ends_in_use_is_made_anew_without_a_word(
    one: Engine, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    before = await backend(one)

    async def in_use() -> None:
        async with transaction(one) as connection:
            await connection.execute(PID)
            terminate(database_url, before)
            await connection.execute(PID)

    with pytest.raises(psycopg.OperationalError):
        await in_use()
    assert await backend(one) != before
    assert caplog.messages == []


async def test_one_that_breaks_before_it_was_ever_lent_is_the_drivers_error(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*address: Any, **options: Any) -> psycopg.AsyncConnection[Any]:
        connection = await connect(*address, **options)
        hang_up(connection)
        return connection

    monkeypatch.setattr("integrations.ledger.engine.connect", broken)
    engine = Engine(database_url)
    with pytest.raises(psycopg.OperationalError):
        await backend(engine)
    engine.close()


async def test_a_transaction_is_committed_at_its_end(one: Engine) -> None:
    async with transaction(one) as connection:
        await connection.execute(NOTE, {"what": "kept"})
    assert await noted(one) == ["kept"]


async def test_a_transaction_that_fails_leaves_nothing(one: Engine) -> None:
    async def failing() -> None:
        async with transaction(one) as connection:
            await connection.execute(NOTE, {"what": "gone"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert await noted(one) == []


async def test_what_is_undone_leaves_nothing(one: Engine) -> None:
    async with rolled_back(one) as connection:
        await connection.execute(NOTE, {"what": "gone"})
        assert len(await rows_of(connection, "TABLE app.noted")) == 1
    assert await noted(one) == []


async def test_in_autocommit_each_statement_stays_whatever_becomes_of_the_block(
    one: Engine,
) -> None:
    async def failing() -> None:
        async with autocommit(one) as connection:
            await connection.execute(NOTE, {"what": "kept"})
            await connection.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        await failing()
    async with rolled_back(one) as connection:
        await connection.execute(NOTE, {"what": "gone"})
    assert await noted(one) == ["kept"]


@pytest.mark.parametrize("way", [autocommit, transaction, rolled_back])
async def test_whoever_is_cancelled_gives_the_connection_back_as_it_was(
    one: Engine, database_url: str, way: Way
) -> None:
    before = await backend(one)

    async def wait_for_ever() -> None:
        async with way(one) as connection:
            await connection.execute(SLEEP)

    waiting = asyncio.create_task(wait_for_ever())
    await until_it_sleeps(database_url)
    waiting.cancel()
    await asyncio.wait([waiting])

    assert waiting.cancelled()
    async with rolled_back(one) as connection:
        await connection.execute(NOTE, {"what": "gone"})
    assert await noted(one) == []
    assert await backend(one) == before


async def until_it_sleeps(database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
        for _ in range(1000):
            if await (await other.execute(SLEEPING)).fetchone():
                return
            await asyncio.sleep(0.01)
    raise AssertionError("the statement was never executed")
