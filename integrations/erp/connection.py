"""A connection to the ERP's database: statements with :names for their values, rows by name.

The driver itself executes them: SQLAlchemy would take as much CPU again for that as all the rest of
a statement does, and as long to load as all of `emag-flows status`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg import AsyncRawCursor
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row

# Statements are written once and executed for ever; those that name columns are some hundreds.
_STATEMENTS: Final = 1000

# A name for a value; what stands in quotes is none, nor is a cast.
_NAME: Final = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|(?<![\w:]):([^\W\d]\w*)""")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement has answered: its rows, by column names, and how many it changed."""

    rows: Sequence[Any]
    rowcount: int

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

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
        given = values or {}
        cursor = AsyncRawCursor(self.driver, row_factory=namedtuple_row)
        await cursor.execute(query, [given[name] for name in names] or None)
        rows = () if cursor.description is None else await cursor.fetchall()
        return Answer(rows, cursor.rowcount)

    def savepoint(self) -> AbstractAsyncContextManager[object]:
        """Undo the block alone, and not the transaction that it is in, where it fails."""
        assert self.driver.info.transaction_status == TransactionStatus.INTRANS
        return self.driver.transaction()


async def rows_of(connection: Connection, query: str, **values: object) -> Sequence[Any]:
    """What a query answers."""
    return (await connection.execute(query, values)).rows


@lru_cache(_STATEMENTS)
def numbered(statement: str) -> tuple[str, Sequence[str]]:
    """A statement with $1, $2, ... for its :names, and those names in order."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found[1]
        return f"${numbers.setdefault(name, len(numbers) + 1)}" if name else found[0]

    return _NAME.sub(number, statement), tuple(numbers)


@lru_cache(_STATEMENTS)
def named(statement: str) -> str:
    """A statement with %(name)s for each :name, as the driver's other cursors take it."""

    def mark(found: re.Match[str]) -> str:
        return f"%({found[1]})s" if found[1] else found[0]

    return _NAME.sub(mark, statement.replace("%", "%%"))
