"""The connection to the seller's database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import Row, event, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from integrations.ledger.session import connect

SCHEMA = "app"


def async_url(database_url: str) -> str:
    """The same address for SQLAlchemy's psycopg driver, whatever spelling it came in."""
    for prefix in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if database_url.startswith(prefix):
            return "postgresql+psycopg://" + database_url.removeprefix(prefix)
    raise ValueError("DATABASE_URL must start with postgresql://")


def open_engine(database_url: str, connections: int = 5) -> AsyncEngine:
    """An engine that holds at most this many connections in this process.

    Prepared statements stay off, so that a pooler in transaction mode may stand in between, and
    errors do not repeat the values that a statement was given.
    """

    async def connected() -> psycopg.AsyncConnection[Any]:
        return await connect(**address_of(engine))

    engine: AsyncEngine = create_async_engine(
        async_url(database_url),
        async_creator=connected,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        pool_timeout=30,
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
        now: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return now


def storable(value: str) -> str:
    """A text without what PostgreSQL can't hold in one: NUL, and lone surrogates of eMAG's JSON."""
    return value.replace("\0", "").encode(errors="replace").decode()


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection on which every statement is its own transaction."""
    async with engine.connect() as connection:
        yield await connection.execution_options(isolation_level="AUTOCOMMIT")


@asynccontextmanager
async def driver(engine: AsyncEngine) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """The driver's own connection, in autocommit, for as long as the block runs."""
    async with autocommit(engine) as connection:
        yield await driver_of(connection)


async def driver_of(connection: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    """The driver's own connection below one of SQLAlchemy's."""
    found = (await connection.get_raw_connection()).driver_connection
    assert isinstance(found, psycopg.AsyncConnection)
    return found


async def rows_of(connection: AsyncConnection, query: str, **values: object) -> Sequence[Row[Any]]:
    """What a query answers."""
    return (await connection.execute(text(query), values)).all()
