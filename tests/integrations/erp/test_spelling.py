"""The ERP's rows of an order are found by its indexes, however they spell the order's number."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from integrations.erp.connection import Connection
from integrations.erp.order_rows import cancellations_of, invoices_of, returns_of
from integrations.erp.rows import Kind
from integrations.erp.schema import read_schema
from integrations.erp.spelling import spelt_otherwise
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine
from tests.statements import Values, told_of_statements

ROWS = 5_000
FIND: Mapping[Kind, Callable[..., Awaitable[Mapping[int, Sequence[Any]]]]] = {
    Kind.CANCELLATION: cancellations_of,
    Kind.RMA: returns_of,
    Kind.INVOICE: invoices_of,
}
TABLES: Mapping[Kind, tuple[str, str]] = {
    Kind.CANCELLATION: ("cancellation_requests", "cancellation_number"),
    Kind.RMA: ("return_requests", "return_number"),
    Kind.INVOICE: ("invoices", "invoice_number"),
}
DOCS = Path(__file__).parents[3] / "docs" / "inbound.md"


@pytest.fixture
async def crowded(engine: Engine) -> AsyncIterator[Connection]:
    """A connection to an ERP with many rows and the indexes that the documentation names."""
    async with autocommit(engine) as connection:
        for table, number in TABLES.values():
            await connection.driver.execute(
                f"INSERT INTO app.{table} ({number}, emag_order_id, order_id, account_type)"
                f" SELECT 'N-' || n, n, n, 'main' FROM generate_series(1, {ROWS}) AS n"
            )
        for statement in re.findall(r"^CREATE INDEX .*?;", DOCS.read_text(), re.DOTALL | re.M):
            await connection.driver.execute(statement)
        await connection.driver.execute("ANALYZE")
        yield connection


def scans(plan: Mapping[str, Any]) -> list[str]:
    """Every table that a plan reads from end to end."""
    whole = [plan["Relation Name"]] if plan["Node Type"] == "Seq Scan" else []
    return whole + [name for part in plan.get("Plans", ()) for name in scans(part)]


@pytest.mark.parametrize("kind", Kind)
async def test_no_look_up_reads_the_whole_table(crowded: Connection, kind: Kind) -> None:
    table, _ = TABLES[kind]
    await crowded.driver.execute(
        f"UPDATE app.{table} SET emag_order_id = ' 00' || emag_order_id WHERE order_id = 7"
    )
    schema, asked = await read_schema(crowded), list[tuple[str, Values]]()

    with told_of_statements(lambda *executed: asked.append(executed)):
        assert await spelt_otherwise(crowded, schema, kind, {7, 8}) == {7: [7]}
        found = await FIND[kind](crowded, schema, "p", {7, 8}, [7])
    assert {order: [row.id for row in rows] for order, rows in found.items()} == {7: [7], 8: [8]}
    assert len(asked) >= 2
    for statement, values in asked:
        explained = f"EXPLAIN (FORMAT JSON) {statement}"
        [plan] = (await crowded.execute(explained, values)).scalar_one()
        assert table not in scans(plan["Plan"]), statement
