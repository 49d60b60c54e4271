"""The connections to the seller's database: how many there are, who waits, and when they end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import psycopg
import pytest

from integrations.erp.connection import Connection
from integrations.ledger.database import autocommit, rolled_back
from integrations.ledger.engine import Engine, NoConnectionError, has_ended

PID = "SELECT pg_backend_pid()"
OTHERS = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend'
       AND pid <> pg_backend_pid()
"""


@pytest.fixture
def database_url(new_database_url: str) -> str:
    """Connections are counted here."""
    return new_database_url


@pytest.fixture
def two(database_url: str) -> Iterator[Engine]:
    """An engine with two connections."""
    engine = Engine(database_url, 2)
    yield engine
    engine.close()


@pytest.fixture
def connected(database_url: str) -> Iterator[Callable[[], int]]:
    """How many connections the database has beside the one that asks."""
    with psycopg.connect(database_url, autocommit=True) as other:

        def count() -> int:
            [(found,)] = other.execute(OTHERS).fetchall()
            return int(found)

        yield count


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came about")


async def test_connects_when_it_is_first_needed_and_not_again(
    two: Engine, connected: Callable[[], int]
) -> None:
    assert connected() == 0
    for _ in range(3):
        async with autocommit(two) as connection:
            await connection.execute(PID)
    assert connected() == 1


async def test_who_comes_last_waits_until_one_is_given_back(
    two: Engine, connected: Callable[[], int]
) -> None:
    first, second = await two.lend(), await two.lend()
    third = asyncio.create_task(two.lend())
    await asyncio.sleep(0)
    assert not third.done()

    await two.give_back(second)

    assert await third is second
    assert connected() == 2
    for each in (first, second):
        await two.give_back(each)


async def test_whoever_waits_for_too_long_is_told_so(
    two: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.ledger.engine.WAIT_SECONDS", 0.05)
    async with rolled_back(two), rolled_back(two):
        with pytest.raises(NoConnectionError, match=r"all 2 connections .* in use for 0\.05 s"):
            await two.lend()


async def test_whoever_is_cancelled_while_waiting_takes_none_along(two: Engine) -> None:
    async with rolled_back(two):
        async with rolled_back(two):
            waiting = asyncio.create_task(two.lend())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        async with rolled_back(two) as connection:
            assert (await connection.execute(PID)).scalar_one()


async def test_a_database_that_cannot_be_reached_is_the_drivers_error_each_time() -> None:
    engine = Engine("postgresql://nobody@127.0.0.1:9/none", 1)
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError, match="refused"):
            await engine.lend()


async def test_whoever_holds_one_for_too_long_is_cut_off_and_nobody_else(two: Engine) -> None:
    two.hold_at_most(0.2)
    async with autocommit(two) as connection:
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT pg_sleep(60)")
    long = await two.lend()
    await asyncio.sleep(0.3)
    assert has_ended(long)
    await two.give_back(long)


async def test_one_that_was_given_back_in_time_is_not_cut_off(two: Engine) -> None:
    two.hold_at_most(0.2)
    lent = await two.lend()
    await two.give_back(lent)
    await asyncio.sleep(0.3)
    assert not has_ended(lent)


async def test_at_the_end_all_go_and_a_lent_one_when_it_comes_back(
    two: Engine, connected: Callable[[], int]
) -> None:
    ended = []
    two.at_end(lambda: ended.append(True))
    lent = await two.lend()
    await two.give_back(await two.lend())
    assert connected() == 2

    two.close()

    assert ended == [True]
    await until(lambda: connected() == 1)
    assert (await Connection(lent).execute(PID)).scalar_one()
    await two.give_back(lent)
    await until(lambda: connected() == 0)
