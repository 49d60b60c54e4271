"""What money the ERP's rows are about."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine

_REFUNDS = """
    SELECT coalesce(currency::text, '') AS currency,
           round(sum(refund_amount::numeric), 2) AS amount
      FROM app.cancellation_requests
     WHERE id = ANY(CAST(:ids AS bigint[])) AND refund_amount <> 0
     GROUP BY 1 ORDER BY 1
"""


async def refunds_of(engine: Engine, ids: Collection[int]) -> dict[str, Decimal]:
    """What these cancellations refund, summed by currency; without those that say nothing."""
    async with autocommit(engine) as connection:
        rows = await connection.execute(_REFUNDS, {"ids": list(ids)})
        return {row.currency: row.amount for row in rows}
