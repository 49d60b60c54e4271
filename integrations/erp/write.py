"""Write rows into the ERP's tables in the form that its columns have, whatever types those are.

What an ERP lacks a column for is left out, what is too long shortened; `require_room` refuses both.
What it insists on and nobody told gets a neutral value.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Final

from integrations.erp.connection import Connection
from integrations.erp.schema import Column, ErpSchema


class Moment(Enum):
    """A time that the database tells as it writes, since a host's clock may be wrong."""

    NOW = "statement_timestamp()"


NOW: Final = Moment.NOW

Value = str | int | Decimal | bool | datetime | Moment | None

_LARGEST = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}

_LENGTH = re.compile(r"character(?: varying)?\((\d+)\)")

_SCALE = re.compile(r"numeric\(\d+,(\d+)\)")

# What stands in a required column that eMAG has no word for.
_NEUTRAL = {
    "boolean": "false",
    "smallint": "0",
    "integer": "0",
    "bigint": "0",
    "double precision": "0",
    "real": "0",
    "numeric": "0",
    "text": "",
    "character varying": "",
    "json": "{}",
    "jsonb": "{}",
}


class UnfitError(Exception):
    """The ERP's table has no room for a value; the text names the column and the remedy.

    Attributes:
        field: the column.
    """

    def __init__(self, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True)
class Stored:
    """Values as texts that PostgreSQL casts to the columns' types, and those types by column.

    The text of a moment, which only the database knows, is SQL.
    """

    values: Mapping[str, str | None]
    types: Mapping[str, str]
    moments: Collection[str] = ()

    def assignments(self) -> str:
        return ", ".join(f"{name} = {self.cast(name)}" for name in self.values)

    def differences(self) -> str:
        """The condition that row `r` does not hold all of these values, of whatever moment."""
        told = (name for name in self.values if name not in self.moments)
        terms = (f"r.{name} IS DISTINCT FROM {self.cast(name)}" for name in told)
        return " OR ".join(terms) or "false"

    def cast(self, name: str) -> str:
        value = self.values[name] if name in self.moments else f":{name}"
        return f"CAST({value} AS {self.types[name]})"


def stored(schema: ErpSchema, table: str, values: Mapping[str, Value]) -> Stored:
    """The values in the form of the table's columns.

    Raises:
        UnfitError: an enum lacks a word.
    """
    columns = schema.tables.get(table, {})
    known = {name: columns[name] for name in values if name in columns}
    return Stored(
        {name: _text(table, name, column, values[name]) for name, column in known.items()},
        {name: column.type_name for name, column in known.items()},
        [name for name in known if isinstance(values[name], Moment)],
    )


def with_required(schema: ErpSchema, table: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """The values that the table can hold, and neutral ones for columns that an INSERT must name.

    Raises:
        UnfitError: a column that must be named takes nothing neutral; an enum lacks a word.
    """
    held = stored(schema, table, values).values
    filled: dict[str, Value] = {
        name: value for name, value in values.items() if held.get(name) is not None
    }
    for name, column in schema.tables.get(table, {}).items():
        if column.required and name not in filled:
            filled[name] = _neutral(table, name, column)
    return filled


def _neutral(table: str, name: str, column: Column) -> Value:
    if column.type_name.startswith(("timestamp", "date")):
        return NOW
    value = _NEUTRAL.get(column.type_name.partition("(")[0])
    if value is None:
        raise UnfitError(
            f"app.{table}.{name} ({column.type_name}) must be given and eMAG has nothing for it:"
            " give the column a default"
        )
    return value


def _text(table: str, name: str, column: Column, value: Value) -> str | None:
    if value is None:
        return None
    zoned = "with time zone" in column.type_name
    if isinstance(value, Moment):
        return value.value if zoned else f"timezone('utc', {value.value})"
    if isinstance(value, datetime):
        moment = value.astimezone(UTC)
        return str(moment if zoned else moment.replace(tzinfo=None))
    if column.labels:
        return _label(table, name, column, str(value))
    length = _LENGTH.match(column.type_name)
    plain = str(value).replace("\0", "").encode(errors="replace").decode()
    if column.type_name in _LARGEST and not _is_whole(plain, _LARGEST[column.type_name]):
        return None
    return plain[: int(length[1])] if length else plain


def _label(table: str, name: str, column: Column, word: str) -> str:
    label = column.stored(word)
    if label is None:
        raise UnfitError(
            f"app.{table}.{name} knows no {word!r}: add the label to its type"
            f" (ALTER TYPE {column.type_name} ADD VALUE ...)",
            name,
        )
    return label


def require_room(schema: ErpSchema, table: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """The values, all of which the table holds as they are; whole amounts without decimals.

    Raises:
        UnfitError: a column is missing, or would hold something else than the value.
    """
    columns = schema.tables.get(table, {})
    held: dict[str, Value] = {}
    for name, value in values.items():
        column = columns.get(name)
        if column is None:
            raise UnfitError(f"app.{table} has no column {name}: add it, or leave the field", name)
        held[name] = _plain(column, value)
        reason = _no_room(column, held[name])
        if reason is not None:
            raise UnfitError(f"app.{table}.{name} ({column.type_name}) {reason}", name)
    return held


def _plain(column: Column, value: Value) -> Value:
    if column.type_name in _LARGEST and isinstance(value, Decimal) and value == int(value):
        return int(value)
    return value


def _no_room(column: Column, value: Value) -> str | None:
    """Why the column would not hold the value as it is, None where it would."""
    if value is None or isinstance(value, datetime | Moment | bool) or column.labels:
        return None
    given = str(value)
    if "\0" in given:
        return "holds no character of code 0: leave it out"
    largest = _LARGEST.get(column.type_name)
    if largest is not None and not _is_whole(given, largest):
        return f"holds whole numbers below {largest}: send one, or widen the column"
    length = _LENGTH.match(column.type_name)
    if length and len(given) > int(length[1]):
        return f"holds {length[1]} characters, not {len(given)}: shorten it, or widen the column"
    scale = _SCALE.match(column.type_name)
    if scale and isinstance(value, Decimal) and value != round(value, int(scale[1])):
        return f"holds {scale[1]} decimals: send no more, or widen the column"
    return None


def _is_whole(value: str, end: int) -> bool:
    digits = value.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(digits) < 20 and int(digits) < end


async def insert(
    connection: Connection,
    schema: ErpSchema,
    table: str,
    values: Mapping[str, Value],
    empty: Collection[str] = (),
) -> int:
    """Insert a row; its id. Columns named as empty are NULL, whatever their default.

    Raises UnfitError, or what the database says to it.
    """
    nothing: dict[str, Value] = dict.fromkeys(empty)
    row = stored(schema, table, {**with_required(schema, table, values), **nothing})
    columns = ", ".join(row.values)
    casts = ", ".join(row.cast(name) for name in row.values)
    query = f"INSERT INTO app.{table} ({columns}) VALUES ({casts}) RETURNING id"
    return int((await connection.execute(query, dict(row.values))).scalar_one())


async def update(
    connection: Connection,
    schema: ErpSchema,
    table: str,
    row_id: int,
    values: Mapping[str, Value],
) -> bool:
    """Write the values into a row where any differs; whether one did.

    That it was written at another moment is no reason to write.
    """
    row = stored(schema, table, values)
    if not row.values.keys() - set(row.moments):
        return False
    query = (
        f"UPDATE app.{table} r SET {row.assignments()}"
        f" WHERE r.id = :row_id AND ({row.differences()}) RETURNING r.id"
    )
    written = await connection.execute(query, {"row_id": row_id, **row.values})
    return written.first() is not None


async def holds(
    connection: Connection,
    schema: ErpSchema,
    table: str,
    row_id: int,
    values: Mapping[str, Value],
) -> bool:
    """Whether the row holds exactly these values now, whatever the ERP's own triggers did.

    When it was made and changed is left to them.
    """
    row = stored(schema, table, values)
    query = f"SELECT NOT ({row.differences()}) FROM app.{table} r WHERE r.id = :row_id"
    found = await connection.execute(query, {"row_id": row_id, **row.values})
    return bool(found.scalar_one_or_none())
