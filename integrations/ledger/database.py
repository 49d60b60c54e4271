"""The connection to the seller's database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import PoolProxiedConnection, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from integrations.erp.connection import Connection
from integrations.ledger.patience import answers_within, hang_up
from integrations.ledger.session import connect

SCHEMA = "app"

# Where a pooled connection keeps what will cut it off.
_LIMIT = "cut off"


def async_url(database_url: str) -> str:
    """The same address for SQLAlchemy's psycopg driver, whatever spelling it came in."""
    for prefix in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if database_url.startswith(prefix):
            return "postgresql+psycopg://" + database_url.removeprefix(prefix)
    raise ValueError("DATABASE_URL must start with postgresql://")


def open_engine(database_url: str, connections: int = 5) -> AsyncEngine:
    """An engine that holds at most this many connections in this process.

    Prepared statements stay off, so that a pooler in transaction mode may stand in between.
    """

    async def connected() -> psycopg.AsyncConnection[Any]:
        return await connect(**address_of(engine))

    engine: AsyncEngine = create_async_engine(
        async_url(database_url),
        async_creator=connected,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=30,
        pool_reset_on_return=None,  # `_give_back` does it
    )
    event.listen(engine.sync_engine, "checkout", _refuse_ended)
    return engine


def address_of(engine: AsyncEngine) -> Mapping[str, Any]:
    """What the engine's driver connects with."""
    _, address = engine.dialect.create_connect_args(engine.url)
    return address


def _refuse_ended(pooled: Any, *_: object) -> None:
    """Have the pool connect anew, rather than ask each connection with a statement of its own."""
    if has_ended(pooled.driver_connection):
        raise DisconnectionError


def has_ended(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether the server is known to have ended a connection on which nothing is under way."""
    if connection.closed:
        return True
    try:
        connection.pgconn.consume_input()  # the server's last words,
        connection.pgconn.consume_input()  # and that nothing more comes
    except psycopg.OperationalError:
        return True
    return False


async def database_time(engine: AsyncEngine) -> datetime:
    """The time by which all of our books go, whatever this host's clock says."""
    async with autocommit(engine) as connection:
        now: datetime = (await connection.execute("SELECT clock_timestamp()")).scalar_one()
    return now


def storable(value: str) -> str:
    """A text without what PostgreSQL can't hold in one: NUL, and lone surrogates of eMAG's JSON."""
    return value.replace("\0", "").encode(errors="replace").decode()


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """A transaction that is committed at the end of the block, unless that fails."""
    async with rolled_back(engine) as connection:
        yield connection
        await connection.driver.commit()


@asynccontextmanager
async def rolled_back(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """A transaction that is rolled back at the end of the block: one that reads, or holds locks."""
    pooled = await _lend(engine)
    try:
        yield Connection(_driver_of(pooled))
    finally:
        await _give_back(pooled)


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """A connection on which every statement is its own transaction."""
    async with rolled_back(engine) as connection:
        await connection.driver.set_autocommit(True)
        yield connection


@asynccontextmanager
async def prompt_transaction(
    engine: AsyncEngine, seconds: float, lock_seconds: float
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


async def _lend(engine: AsyncEngine) -> PoolProxiedConnection:
    """One of the pool's; what fails at SQLAlchemy's first look at the server is psycopg's, too."""
    try:
        return await engine.raw_connection()
    except DBAPIError as error:
        raise error.orig or error from None


def _driver_of(pooled: PoolProxiedConnection) -> psycopg.AsyncConnection[Any]:
    found = pooled.driver_connection
    assert isinstance(found, psycopg.AsyncConnection)
    return found


async def _give_back(pooled: PoolProxiedConnection) -> None:
    """Return a connection as it was lent; whoever is cancelled meanwhile does not take it along."""
    if _driver_of(pooled).info.transaction_status == TransactionStatus.IDLE:
        await _returned(pooled)  # which waits for nothing
    else:
        await asyncio.shield(asyncio.create_task(_returned(pooled)))


async def _returned(pooled: PoolProxiedConnection) -> None:
    connection = _driver_of(pooled)
    try:
        if connection.info.transaction_status != TransactionStatus.IDLE:
            await connection.rollback()
        await connection.set_autocommit(False)
    except psycopg.Error:
        await greenlet_spawn(pooled.invalidate)  # it broke, or somebody left a statement unfinished
    else:
        await greenlet_spawn(pooled.close)


def hold_at_most(engine: AsyncEngine, seconds: float) -> None:
    """Cut off whatever holds one of the engine's connections for longer, as if it had ended."""

    def begin(_: object, record: Any, pooled: Any) -> None:
        loop = asyncio.get_running_loop()
        record.info[_LIMIT] = loop.call_later(seconds, hang_up, pooled.driver_connection)

    def end(_: object, record: Any) -> None:
        if limit := record.info.pop(_LIMIT, None):
            limit.cancel()

    event.listen(engine.sync_engine, "checkout", begin)
    for over in ("checkin", "close", "detach"):
        event.listen(engine.sync_engine, over, end)
