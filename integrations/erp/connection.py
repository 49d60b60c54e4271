"""A connection to the ERP's database: statements with :names for their values, rows by name.

SQLAlchemy translates the statements and keeps the pool; the driver itself executes them. For
SQLAlchemy to execute them, too, would take as much CPU again as all the rest of a statement does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg import AsyncRawCursor
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.base import PGDialect

# Statements are written once and executed for ever; those that name columns are some hundreds.
_STATEMENTS: Final = 1000

_NUMBERED: Final = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_NAMED: Final = PGDialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement has answered: its rows, by column names, and how many it changed."""

    rows: Sequence[Any]
    rowcount: int

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

    def all(self) -> Sequence[Any]:
        """Every row."""
        return self.rows

    def first(self) -> Any:
        """The first row, None where there is none."""
        return self.rows[0] if self.rows else None

    def one(self) -> Any:
        """The only row. Raises LookupError where there is another, or none."""
        if len(self.rows) != 1:
            raise LookupError(f"one row was expected, and {len(self.rows)} came")
        return self.rows[0]

    def scalars(self) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in self.rows]

    def scalar_one(self) -> Any:
        """The first column of the only row. Raises LookupError as `one`."""
        return self.one()[0]

    def scalar_one_or_none(self) -> Any:
        """The same, None where there is no row."""
        return self.one()[0] if self.rows else None


class Connection:
    """One connection, lent for a transaction or for statements that are each one of their own.

    Attributes:
        driver: the driver's own connection, for what no statement can do.
    """

    __slots__ = ("driver",)

    def __init__(self, driver: psycopg.AsyncConnection[Any]) -> None:
        self.driver = driver

    async def execute(self, statement: str, values: Mapping[str, object] | None = None) -> Answer:
        """Execute a statement with values for its names.

        Raises:
            psycopg.Error: the database does not answer or refuses the statement.
        """
        query, names = numbered(statement)
        cursor = AsyncRawCursor(self.driver, row_factory=namedtuple_row)
        await cursor.execute(query, [values[name] for name in names] if values and names else None)
        return Answer(await cursor.fetchall() if cursor.description else (), cursor.rowcount)

    def savepoint(self) -> AbstractAsyncContextManager[object]:
        """Undo the block alone, and not the transaction that it is in, where it fails."""
        assert self.driver.info.transaction_status == TransactionStatus.INTRANS
        return self.driver.transaction()


@lru_cache(_STATEMENTS)
def numbered(statement: str) -> tuple[bytes, Sequence[str]]:
    """A statement with $1, $2, ... for its :names, and those names in order."""
    compiled = text(statement).compile(dialect=_NUMBERED)
    return compiled.string.encode(), tuple(compiled.positiontup or ())


@lru_cache(_STATEMENTS)
def named(statement: str) -> bytes:
    """A statement with %(name)s for each :name, as the driver's own cursors take it."""
    return text(statement).compile(dialect=_NAMED).string.encode()
