"""Rows are written in the form that the ERP's columns have, whatever types those are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from integrations.erp.connection import Connection
from integrations.erp.schema import Column, ErpSchema, read_schema
from integrations.erp.write import (
    NOW,
    UnfitError,
    Value,
    holds,
    insert,
    stored,
    update,
    with_required,
)
from integrations.ledger.database import rolled_back
from integrations.ledger.engine import Engine

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def table(**columns: Column) -> ErpSchema:
    """A table "t" with these columns."""
    return ErpSchema({"t": columns})


FORMS: Mapping[str, tuple[Column, Value, str | None]] = {
    "a word": (Column("text"), "pending", "pending"),
    "a word of an enum": (Column("app.s", ("PENDING", "DONE")), "pending", "PENDING"),
    "money": (Column("numeric(12,2)"), Decimal("49.90"), "49.90"),
    "a time in zone": (Column("timestamp with time zone"), NOON, "2026-05-04 12:00:00+00:00"),
    "a time without": (Column("timestamp without time zone"), NOON, "2026-05-04 12:00:00"),
    "a long text": (Column("character varying(5)"), "abcdefgh", "abcde"),
    "a text with NUL": (Column("text"), "a\x00b", "ab"),
    "half a character": (Column("text"), "a\ud800", "a?"),
    "a number": (Column("integer"), "1001", "1001"),
    "a number that is none": (Column("integer"), "SKU-1", None),
    "a number too large": (Column("integer"), 2**31, None),
    "the largest number": (Column("integer"), 2**31 - 1, "2147483647"),
    "digits of another script": (Column("integer"), "\u0661", None),
    "nothing": (Column("integer"), None, None),
}

TIMES = ("timestamp with time zone", "timestamp without time zone", "date", "text")


@pytest.mark.parametrize("form", FORMS)
def test_a_value_takes_the_form_of_its_column(form: str) -> None:
    column, value, written = FORMS[form]
    assert stored(table(c=column), "t", {"c": value}).values == {"c": written}


def test_what_the_erp_has_no_column_for_is_left_out() -> None:
    assert stored(table(a=Column("text")), "t", {"a": "x", "b": "y"}).values == {"a": "x"}
    assert stored(table(), "elsewhere", {"a": "x"}).values == {}


def test_an_enum_that_lacks_a_word_is_told_with_the_remedy() -> None:
    with pytest.raises(UnfitError, match=r"app\.t\.c knows no 'new': .*\(ALTER TYPE app\.s ADD"):
        stored(table(c=Column("app.s", ("OLD",))), "t", {"c": "new"})


def test_what_an_insert_must_name_is_filled_with_something_neutral() -> None:
    schema = table(
        name=Column("character varying(9)", required=True),
        pieces=Column("integer", required=True),
        worth=Column("double precision", required=True),
        paid=Column("boolean", required=True),
        note=Column("text"),
        told=Column("text", required=True),
    )
    filled = with_required(schema, "t", {"told": "yes", "pieces": "none"})
    assert filled == {"told": "yes", "name": "", "pieces": "0", "worth": "0", "paid": "false"}


def test_a_time_that_must_be_named_is_the_present() -> None:
    filled = with_required(table(at=Column("timestamp without time zone", required=True)), "t", {})
    assert filled == {"at": NOW}


def test_an_enum_that_must_be_named_is_told_with_the_remedy() -> None:
    schema = table(c=Column("app.s", ("OLD",), required=True))
    with pytest.raises(UnfitError, match="must be given and eMAG has nothing for it: give the"):
        with_required(schema, "t", {})


@pytest.fixture
async def connection(engine: Engine) -> AsyncIterator[Connection]:
    """A connection in a transaction of its own."""
    async with rolled_back(engine) as connection:
        yield connection


NEW: Mapping[str, Value] = {
    "return_number": "emag-ro-1",
    "emag_order_id": "480000101",
    "status": "pending",
    "reason": "other",
    "customer_name": "Ana Exemplu",
    "account_type": "main",
    "refund_amount": Decimal("10.50"),
    "no_such_column": "x",
}


class TestARow:
    async def test_is_inserted_and_holds_what_was_written(self, connection: Connection) -> None:
        schema, row_id = await new_row(connection)
        row = await read(connection, row_id)
        assert (row["status"], row["refund_amount"]) == ("pending", Decimal("10.50"))
        assert await holds(connection, schema, "return_requests", row_id, NEW)

    async def test_is_written_where_anything_differs(self, connection: Connection) -> None:
        schema, row_id = await new_row(connection)
        values: dict[str, Value] = {"status": "approved", "refund_amount": Decimal("10.50")}
        assert await update(connection, schema, "return_requests", row_id, values)
        assert (await read(connection, row_id))["status"] == "approved"
        assert not await update(connection, schema, "return_requests", row_id, values)

    async def test_is_not_written_for_the_sake_of_its_time(self, connection: Connection) -> None:
        schema, row_id = await new_row(connection)
        values: dict[str, Value] = {"status": "pending", "updated_at": NOW}
        assert not await update(connection, schema, "return_requests", row_id, values)
        assert not await update(connection, schema, "return_requests", row_id, {"none": "x"})

    @pytest.mark.parametrize("type_name", TIMES)
    async def test_is_dated_by_the_database_in_utc_whatever_zone_the_session_has(
        self, connection: Connection, type_name: str
    ) -> None:
        await connection.execute("SET LOCAL TimeZone = 'Pacific/Kiritimati'")
        await connection.execute(f"CREATE TABLE app.dated (id serial, at {type_name})")
        schema = ErpSchema({"dated": {"at": Column(type_name)}})
        row_id = await insert(connection, schema, "dated", {"at": NOW})
        await connection.execute("SET LOCAL TimeZone = 'UTC'")
        is_now = "at::timestamptz BETWEEN date_trunc('day', now()) AND now() + interval '1 h'"
        found = await connection.execute(f"SELECT {is_now} FROM app.dated")
        assert found.scalar_one()
        assert await holds(connection, schema, "dated", row_id, {"at": NOW})

    async def test_that_is_not_there_is_not_written(self, connection: Connection) -> None:
        schema, row_id = await new_row(connection)
        assert not await update(connection, schema, "return_requests", row_id + 1, NEW)
        assert not await holds(connection, schema, "return_requests", row_id + 1, NEW)

    async def test_that_somebody_alters_holds_it_no_more(self, connection: Connection) -> None:
        schema, row_id = await new_row(connection)
        await connection.execute("UPDATE app.return_requests SET customer_name = 'Alt'")
        assert not await holds(connection, schema, "return_requests", row_id, NEW)


async def new_row(connection: Connection) -> tuple[ErpSchema, int]:
    """A return of the ERP's, and what the ERP's tables look like."""
    schema = await read_schema(connection)
    return schema, await insert(connection, schema, "return_requests", NEW)


async def read(connection: Connection, row_id: int) -> dict[str, Any]:
    query = "SELECT * FROM app.return_requests WHERE id = :id"
    return dict((await connection.execute(query, {"id": row_id})).one()._asdict())
