"""The daily look for changes that no trigger captured."""

from __future__ import annotations

import pytest

from integrations.erp.digest import digest
from integrations.erp.load import load_rows
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema, read_schema
from integrations.ledger.database import rolled_back, transaction
from integrations.ledger.engine import Engine
from integrations.ledger.sweep import last_sweep, sweep

CANCELLATION = Kind.CANCELLATION


@pytest.fixture
async def schema(engine: Engine) -> ErpSchema:
    async with rolled_back(engine) as connection:
        return await read_schema(connection)


async def execute(engine: Engine, *statements: str) -> None:
    async with transaction(engine) as connection:
        for statement in statements:
            await connection.execute(statement)


async def uncaptured(engine: Engine, statement: str) -> None:
    """What a session does whose triggers are off."""
    await execute(engine, "SET LOCAL session_replication_role = replica", statement)


async def add(engine: Engine, row_id: int, status: str = "pending") -> None:
    await uncaptured(
        engine,
        "INSERT INTO app.cancellation_requests (id, cancellation_number, emag_order_id,"
        f" customer_name, status, reason) VALUES ({row_id}, 'C-{row_id}', '4800{row_id}',"
        f" 'Ana Exemplu', '{status}', 'other')",
    )


async def settle(engine: Engine, schema: ErpSchema, row_id: int) -> None:
    """The row is synced as it is now."""
    async with transaction(engine) as connection:
        rows = await load_rows(connection, schema, CANCELLATION, [row_id])
        await connection.execute(
            "INSERT INTO app.emag_cancellation_integrations (cancellation_request_id,"
            " sync_state, erp_digest) VALUES (:id, 'synced', :digest)",
            {"id": row_id, "digest": digest(rows[row_id], None)},
        )


async def swept(engine: Engine, schema: ErpSchema) -> list[int]:
    """Sweep as if a day had passed; which rows were queued by it."""
    await execute(
        engine,
        "UPDATE app.emag_cursors SET position = position - interval '25 hours'",
        "DELETE FROM app.emag_changes",
    )
    found = await sweep(engine, schema, require_approval=False)
    async with rolled_back(engine) as connection:
        rows = await connection.execute("SELECT row_id FROM app.emag_changes ORDER BY 1")
        ids = [row.row_id for row in rows]
    assert found == len(ids)
    return ids


async def test_rows_from_before_the_first_sweep_stay_where_they_are(
    engine: Engine, schema: ErpSchema
) -> None:
    await add(engine, 1)
    assert await sweep(engine, schema, require_approval=False) == 0
    assert await swept(engine, schema) == []


async def test_a_row_that_no_trigger_saw_is_queued(engine: Engine, schema: ErpSchema) -> None:
    await sweep(engine, schema, require_approval=False)
    await add(engine, 1)
    await add(engine, 2, status="rejected")
    assert await swept(engine, schema) == [1]
    found = await last_sweep(engine)
    assert found is not None
    assert found.found == 1


async def test_a_change_of_a_settled_row_that_no_trigger_saw_is_queued(
    engine: Engine, schema: ErpSchema
) -> None:
    for row_id in (1, 2):
        await add(engine, row_id)
        await settle(engine, schema, row_id)
    await sweep(engine, schema, require_approval=False)
    await uncaptured(
        engine, "UPDATE app.cancellation_requests SET reason = 'administrative' WHERE id = 2"
    )
    assert await swept(engine, schema) == [2]


async def test_what_decides_nothing_is_no_change(engine: Engine, schema: ErpSchema) -> None:
    await add(engine, 1)
    await settle(engine, schema, 1)
    await sweep(engine, schema, require_approval=False)
    await uncaptured(engine, "UPDATE app.cancellation_requests SET customer_name = 'Ion Exemplu'")
    assert await swept(engine, schema) == []


async def test_it_looks_once_a_day(engine: Engine, schema: ErpSchema) -> None:
    await sweep(engine, schema, require_approval=False)
    await add(engine, 1)
    assert await sweep(engine, schema, require_approval=False) == 0
    assert await swept(engine, schema) == [1]


async def test_a_change_that_was_captured_is_not_queued_twice(
    engine: Engine, schema: ErpSchema
) -> None:
    await sweep(engine, schema, require_approval=False)
    await add(engine, 1)
    await execute(
        engine,
        "INSERT INTO app.emag_changes (kind, row_id) VALUES ('cancellation', 1)",
        "UPDATE app.emag_cursors SET position = position - interval '25 hours'",
    )
    assert await sweep(engine, schema, require_approval=False) == 0
