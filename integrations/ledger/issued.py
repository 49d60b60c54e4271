"""A mirror of the invoices that eMAG issued in the seller's name, by the day they carry."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.emag.wire import IssuedInvoice
from integrations.erp.load import HIGHEST_ORDER
from integrations.ledger.database import autocommit, storable

RESOURCE = "customer-invoice"

# What eMAG had issued before the first run: no order that can still get a document is older.
FIRST_LOOK = timedelta(days=365)
OVERLAP = timedelta(days=2)

_SINCE = text("""
    SELECT (position AT TIME ZONE 'UTC')::date FROM app.emag_cursors
     WHERE account = :account AND resource = :resource
""")

_STORE = text("""
    INSERT INTO app.emag_issued_invoices (platform, account, number, order_id, category, is_storno,
           issued_on, reversal_for)
    SELECT :platform, :account, i.number, i.order_id, i.category, i.is_storno, i.date,
           i.reversal_for
      FROM jsonb_to_recordset(CAST(:invoices AS jsonb)) AS i(number text, order_id bigint,
           category text, is_storno boolean, date date, reversal_for text)
    ON CONFLICT (platform, account, number) DO UPDATE SET order_id = excluded.order_id,
           category = excluded.category, is_storno = excluded.is_storno,
           issued_on = excluded.issued_on, reversal_for = excluded.reversal_for
""")

_MOVE = text("""
    INSERT INTO app.emag_cursors AS c (account, resource, position)
    VALUES (:account, :resource, CAST(:position AS date)::timestamp AT TIME ZONE 'UTC')
    ON CONFLICT (account, resource) DO UPDATE
       SET position = greatest(c.position, excluded.position), updated_at = clock_timestamp()
""")

_FOR_ORDERS = text("""
    SELECT number, order_id, category, issued_on, reversal_for, is_storno
      FROM app.emag_issued_invoices WHERE platform = :platform AND order_id = ANY(:orders)
""")


async def mirrored_since(engine: AsyncEngine, account: str, today: date) -> date:
    """The first day to ask for: some days before the last look, a year back at the first."""
    async with autocommit(engine) as connection:
        found = await connection.execute(_SINCE, {"account": account, "resource": RESOURCE})
        last: date | None = found.scalar_one_or_none()
    return last - OVERLAP if last else today - FIRST_LOOK


async def store_issued(
    engine: AsyncEngine, platform: str, account: str, invoices: Sequence[IssuedInvoice]
) -> None:
    """Keep these invoices, each once."""
    document = orjson.dumps([_document(invoice) for invoice in invoices]).decode()
    async with autocommit(engine) as connection:
        await connection.execute(
            _STORE, {"platform": platform, "account": account, "invoices": document}
        )


def _document(invoice: IssuedInvoice) -> dict[str, Any]:
    """The invoice as the columns can hold it; what can be no order's number belongs to none."""
    document = asdict(invoice)
    texts = {key: storable(each) for key, each in document.items() if isinstance(each, str)}
    known = invoice.order_id is not None and 0 < invoice.order_id <= HIGHEST_ORDER
    return {**document, **texts, "order_id": invoice.order_id if known else None}


async def mirrored_until(engine: AsyncEngine, account: str, day: date) -> None:
    """Move the cursor, once everything up to this day is stored."""
    async with autocommit(engine) as connection:
        await connection.execute(_MOVE, {"account": account, "resource": RESOURCE, "position": day})


async def issued_for(
    engine: AsyncEngine, platform: str, orders: Collection[int]
) -> dict[int, list[IssuedInvoice]]:
    """The mirrored invoices of these orders."""
    found: dict[int, list[IssuedInvoice]] = {}
    async with autocommit(engine) as connection:
        rows = await connection.execute(_FOR_ORDERS, {"platform": platform, "orders": list(orders)})
        for row in rows:
            found.setdefault(row.order_id, []).append(
                IssuedInvoice(
                    number=row.number,
                    order_id=row.order_id,
                    category=row.category,
                    date=row.issued_on,
                    reversal_for=row.reversal_for,
                    is_storno=row.is_storno,
                )
            )
    return found
