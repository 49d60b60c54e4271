"""Kept connections for the statements that go with every request to eMAG.

On a pooled connection the pool's own work would cost more CPU than they do. What is executed in one
go is a transaction of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncClientCursor
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row

from integrations.erp.connection import Connection, named
from integrations.ledger.engine import Engine, has_ended
from integrations.ledger.session import connect

Ask = Callable[[psycopg.AsyncConnection[Any], str, Mapping[str, Any]], Awaitable[Any]]

# Connections that end, and servers that do, while nobody knows how far a transaction had come.
_BROKEN = ("08", "57P")


class Use(StrEnum):
    """What a line is for: who may have to wait for a lock has one apart from those who never do."""

    SLOTS = "slots"
    RMA_INTENTS = "rma intents"
    CANCELLATION_INTENTS = "cancellation intents"
    INVOICE_INTENTS = "invoice intents"


class Line:
    """One autocommit connection beside an engine's pool, made when it is first needed."""

    def __init__(self, engine: Engine) -> None:
        self._url = engine.url
        self._turn = asyncio.Lock()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._used: psycopg.AsyncConnection[Any] | None = None

    async def row(self, statement: str, values: Mapping[str, Any]) -> Any:
        """Execute a statement; its first row by column names, None where there is none.

        A statement that finds the connection broken is executed once more on a new one: it must do
        no harm when it is executed twice.

        Raises:
            psycopg.Error: the database does not answer or refuses the statement.
        """
        async with self._turn:
            try:
                return await self._execute(statement, values, _first_row)
            except psycopg.OperationalError:
                if self._is_usable():
                    raise
                return await self._execute(statement, values, _first_row)

    async def last_row(self, statements: str, values: Mapping[str, Any]) -> Any:
        """Execute statements in one transaction, each seeing what was committed before it began.

        The first row of the last one, as `row`. Nothing is executed twice.

        Raises:
            psycopg.Error: the database does not answer or refuses a statement.
        """
        async with self._turn:
            return await self._execute(statements, values, _last_row)

    def close(self) -> None:
        """Let go of the connection; one in use is ended by who uses it, whose memory it is."""
        connection, self._connection = self._connection, None
        if connection is not None and connection is not self._used:
            connection.pgconn.finish()

    async def _execute(self, statement: str, values: Mapping[str, Any], ask: Ask) -> Any:
        if not self._is_usable():
            self.close()
            self._connection = await self._connect()
        connection = self._used = self._connection
        assert connection is not None
        try:
            return await ask(connection, statement, values)
        finally:
            self._used = None
            if self._connection is not connection:
                connection.pgconn.finish()

    def _is_usable(self) -> bool:
        """Whether nothing has been heard yet of the connection's end."""
        connection = self._connection
        return (
            connection is not None
            and not has_ended(connection)
            and connection.pgconn.transaction_status == TransactionStatus.IDLE
        )

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await connect(self._url, autocommit=True)


async def _first_row(
    connection: psycopg.AsyncConnection[Any], statement: str, values: Mapping[str, Any]
) -> Any:
    return (await Connection(connection).execute(statement, values)).first()


async def _last_row(
    connection: psycopg.AsyncConnection[Any], statements: str, values: Mapping[str, Any]
) -> Any:
    """The server takes several statements in one go only with their values written into them."""
    cursor = AsyncClientCursor(connection, row_factory=namedtuple_row)
    await cursor.execute(named(statements), values)
    while cursor.nextset():
        pass
    return None if cursor.description is None else await cursor.fetchone()


def is_undone(error: psycopg.Error) -> bool:
    """Whether the server has refused, so that nothing is left of what was executed."""
    return error.sqlstate is not None and not error.sqlstate.startswith(_BROKEN)


def is_broken(error: psycopg.Error) -> bool:
    """Whether the connection has failed, and not the statement, be it the server's no or ours."""
    lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return lost and not is_undone(error)


_LINES: WeakKeyDictionary[Engine, dict[Use, Line]] = WeakKeyDictionary()


def line(engine: Engine, use: Use = Use.SLOTS) -> Line:
    """The line of this use beside this engine; it closes with the engine."""
    lines = _LINES.setdefault(engine, {})
    if use not in lines:
        kept = lines[use] = Line(engine)
        engine.at_end(kept.close)
    return lines[use]
