"""The connection to the seller's database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from integrations.erp.connection import Connection
from integrations.ledger.engine import Engine
from integrations.ledger.patience import answers_within

SCHEMA = "app"


async def database_time(engine: Engine) -> datetime:
    """The time by which all of our books go, whatever this host's clock says."""
    async with autocommit(engine) as connection:
        now: datetime = (await connection.execute("SELECT clock_timestamp()")).scalar_one()
    return now


def storable(value: str) -> str:
    """A text without what PostgreSQL can't hold in one: NUL, and lone surrogates of eMAG's JSON."""
    return value.replace("\0", "").encode(errors="replace").decode()


@asynccontextmanager
async def transaction(engine: Engine) -> AsyncIterator[Connection]:
    """A transaction that is committed at the end of the block, unless that fails."""
    async with rolled_back(engine) as connection:
        yield connection
        await connection.driver.commit()


@asynccontextmanager
async def rolled_back(engine: Engine) -> AsyncIterator[Connection]:
    """A transaction that is rolled back at the end of the block: one that reads, or holds locks."""
    driver = await engine.lend()
    try:
        yield Connection(driver)
    finally:
        await engine.give_back(driver)


@asynccontextmanager
async def autocommit(engine: Engine) -> AsyncIterator[Connection]:
    """A connection on which every statement is its own transaction."""
    async with rolled_back(engine) as connection:
        await connection.driver.set_autocommit(True)
        yield connection


@asynccontextmanager
async def prompt_transaction(
    engine: Engine, seconds: float, lock_seconds: float
) -> AsyncIterator[Connection]:
    """A transaction that takes no longer than this, and waits for a lock no longer than that.

    Raises:
        TimeoutError, NoAnswerError: no connection came by then, or no answer.
        psycopg.Error: among others, with the state 55P03, that a lock was not to be had.
    """
    async with asyncio.timeout(seconds) as coming, rolled_back(engine) as connection:
        coming.reschedule(None)
        async with answers_within(connection.driver, seconds):
            await connection.execute(f"SET LOCAL lock_timeout = '{lock_seconds * 1000:.0f}'")
            yield connection
            await connection.driver.commit()
