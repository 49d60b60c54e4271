"""A limit to how long the database may take, for who would rather know that it does not answer.

psycopg alone can't give up on a server that has frozen: it asks it to cancel the statement, and
waits for that.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from integrations.ledger.database import driver_of

# Where a pooled connection keeps what will cut it off.
_LIMIT = "cut off"


class NoAnswerError(psycopg.OperationalError):
    """The database has taken longer than it may."""


@asynccontextmanager
async def answers_within(
    connection: psycopg.AsyncConnection[Any], seconds: float
) -> AsyncIterator[None]:
    """Let the block use a connection for so many seconds; after that it is cut off.

    Raises:
        NoAnswerError: it was.
    """
    late = False

    def give_up() -> None:
        nonlocal late
        late = True
        _hang_up(connection)

    limit = asyncio.get_running_loop().call_later(seconds, give_up)
    try:
        yield
    except Exception as error:
        if late:
            raise NoAnswerError(f"no answer within {seconds:g} s") from error
        raise
    finally:
        limit.cancel()


@asynccontextmanager
async def prompt_transaction(
    engine: AsyncEngine, seconds: float, lock_seconds: float
) -> AsyncIterator[AsyncConnection]:
    """A transaction that takes no longer than this, and waits for a lock no longer than that.

    Raises:
        TimeoutError, NoAnswerError: no connection came by then, or no answer.
        DBAPIError: among others, with the state 55P03, that a lock was not to be had.
    """
    async with asyncio.timeout(seconds) as coming, engine.connect() as connection:
        coming.reschedule(None)
        async with answers_within(await driver_of(connection), seconds), connection.begin():
            await connection.execute(text(f"SET LOCAL lock_timeout = '{lock_seconds * 1000:.0f}'"))
            yield connection


def hold_at_most(engine: AsyncEngine, seconds: float) -> None:
    """Cut off whatever holds one of the engine's connections for longer, as if it had ended."""

    def begin(_: object, record: Any, pooled: Any) -> None:
        loop = asyncio.get_running_loop()
        record.info[_LIMIT] = loop.call_later(seconds, _hang_up, pooled.driver_connection)

    def end(_: object, record: Any) -> None:
        if limit := record.info.pop(_LIMIT, None):
            limit.cancel()

    event.listen(engine.sync_engine, "checkout", begin)
    for over in ("checkin", "close", "detach"):
        event.listen(engine.sync_engine, over, end)


def _hang_up(connection: psycopg.AsyncConnection[Any]) -> None:
    """End the conversation as if the server had: whoever waits for it is told so at once."""
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)
