"""What adopting rows from before would do."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import text

from flows.adoption import preview_adoption
from integrations.erp.rows import Kind
from integrations.ledger.database import open_engine
from integrations.sandbox.market import Market


@pytest.mark.usefixtures("configured")
async def test_a_dry_adoption_shows_plans_and_queues_nothing(
    database_url: str, market: Market
) -> None:
    market.add_order({"id": 480000101, "status": 2})
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for number, order_id, created in (
            ("C-1", "480000101", "now()"),
            ("C-2", "5", "'2020-01-01'"),
        ):
            await connection.execute(
                text(
                    "INSERT INTO app.cancellation_requests (cancellation_number, emag_order_id,"
                    " customer_name, status, reason, created_at) VALUES"
                    f" ('{number}', '{order_id}', 'Ana Exemplu', 'pending', 'other', {created})"
                )
            )

    [report] = await preview_adoption(date(2026, 1, 1), list(Kind), 100)

    [line] = report.plans
    assert (line.kind, line.order_id, len(line.steps)) == (Kind.CANCELLATION, 480000101, 1)
    async with engine.connect() as connection:
        for table in ("emag_changes", "emag_cancellation_integrations", "emag_order_leases"):
            assert await connection.scalar(text(f"SELECT count(*) FROM app.{table}")) == 0
    await engine.dispose()
    assert market.journal.effects == []
