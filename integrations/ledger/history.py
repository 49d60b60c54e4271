"""Looking into the call record: which requests concerned an order or a return, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.ledger.database import autocommit

_CALLS = """
    SELECT sent_at, account, route, writes, verdict, cause, http_status, seconds, items,
           order_ids, return_ids, rows, message
      FROM app.emag_api_calls WHERE true {conditions}
     ORDER BY sent_at DESC LIMIT :most
"""


@dataclass(frozen=True)
class PastCall:
    """One request to eMAG as it was recorded; bodies stay in the record."""

    sent_at: datetime
    account: str
    route: str
    writes: bool
    verdict: str
    cause: str | None
    http_status: int | None
    seconds: float | None
    items: int | None
    order_ids: Sequence[int]
    return_ids: Sequence[int]
    rows: Sequence[str]
    message: str | None


async def read_calls(
    engine: AsyncEngine, *, order: int | None = None, rma: int | None = None, most: int = 50
) -> list[PastCall]:
    """The newest calls, only those about an eMAG order or return where one is given."""
    conditions = ""
    if order is not None:
        conditions += " AND order_ids @> ARRAY[CAST(:order AS bigint)]"
    if rma is not None:
        conditions += " AND return_ids @> ARRAY[CAST(:rma AS bigint)]"
    given = {"order": order, "rma": rma}
    parameters = {name: value for name, value in given.items() if value is not None}
    async with autocommit(engine) as connection:
        query = text(_CALLS.format(conditions=conditions))
        found = await connection.execute(query, {**parameters, "most": most})
        return [PastCall(**row._asdict()) for row in found]
