"""What adopting rows from before would do."""

from __future__ import annotations

from datetime import date

import pytest

from flows.adoption import preview_adoption
from integrations.erp.rows import Kind
from integrations.ledger.database import rolled_back, transaction
from integrations.ledger.engine import Engine
from integrations.sandbox.market import Market


@pytest.mark.usefixtures("configured")
async def test_a_dry_adoption_shows_plans_and_queues_nothing(
    database_url: str, market: Market
) -> None:
    market.add_order({"id": 480000101, "status": 2})
    engine = Engine(database_url)
    async with transaction(engine) as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        for number, order_id, created in (
            ("C-1", "480000101", "now()"),
            ("C-2", "5", "'2020-01-01'"),
        ):
            await connection.execute(
                "INSERT INTO app.cancellation_requests (cancellation_number, emag_order_id,"
                " customer_name, status, reason, created_at) VALUES"
                f" ('{number}', '{order_id}', 'Ana Exemplu', 'pending', 'other', {created})"
            )

    [report] = await preview_adoption(date(2026, 1, 1), list(Kind), 100)

    [line] = report.plans
    assert (line.kind, line.order_id, len(line.steps)) == (Kind.CANCELLATION, 480000101, 1)
    async with rolled_back(engine) as connection:
        for table in ("emag_changes", "emag_cancellation_integrations", "emag_order_leases"):
            assert (await connection.execute(f"SELECT count(*) FROM app.{table}")).scalar_one() == 0
    engine.close()
    assert market.journal.effects == []
