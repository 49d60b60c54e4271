"""A mirror of the invoices that eMAG issued, by the day they carry.

In the seller's name, to customers (`customer-invoice`), and its own to the seller, such as those
for its commission (`invoice`): only the former are documents of an order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson

from integrations.emag.issued_invoices import IssuedInvoice
from integrations.erp.load import HIGHEST_ORDER, NO_ORDER
from integrations.ledger.database import autocommit, storable
from integrations.ledger.engine import Engine


class Source(StrEnum):
    """Which of eMAG's listings an invoice is from; also the name of the listing's cursor."""

    CUSTOMER = "customer-invoice"
    OWN = "invoice"


# Of customers' invoices all that eMAG had issued before the first run are needed: no order that
# can still get a document is older. Of its own, what is older is history.
FIRST_LOOK: Mapping[Source, timedelta] = {
    Source.CUSTOMER: timedelta(days=365),
    Source.OWN: timedelta(days=1),
}

# One may be entered after the day it carries; how long after, eMAG does not say. With the largest
# pages that it allows, two weeks are still few requests.
OVERLAP = timedelta(days=14)

_SINCE = """
    SELECT (position AT TIME ZONE 'UTC')::date FROM app.emag_platform_cursors
     WHERE platform = :platform AND account = :account AND resource = :resource
"""

# Whatever numbers eMAG gives, an order's document is never hidden behind an invoice to the seller.
# What can't be read now does not undo what was once read of it, or what a person has entered. Most
# are known from the last look, and are not written again.
_STORE = """
    INSERT INTO app.emag_issued_invoices AS m (platform, account, number, source, order_id,
           category, is_storno, issued_on, reversal_for, total, currency, problem)
    SELECT :platform, :account, i.number, :source, i.order_id, i.category, i.is_storno, i.date,
           i.reversal_for, i.total, i.currency, i.problem
      FROM jsonb_to_recordset(CAST(:invoices AS jsonb)) AS i(number text, order_id bigint,
           category text, is_storno boolean, date date, reversal_for text, total numeric,
           currency text, problem text)
    ON CONFLICT (platform, account, number) DO UPDATE SET source = excluded.source,
           order_id = excluded.order_id, category = excluded.category,
           is_storno = excluded.is_storno, issued_on = excluded.issued_on,
           reversal_for = excluded.reversal_for, total = excluded.total,
           currency = excluded.currency, problem = excluded.problem
     WHERE (m.source <> excluded.source AND excluded.source = 'customer-invoice'
            OR m.source = excluded.source AND (excluded.problem IS NULL OR m.problem IS NOT NULL
                                               OR m.order_id IS NULL))
       AND (m.source, m.order_id, m.category, m.is_storno, m.issued_on, m.reversal_for, m.total,
            m.currency, m.problem)
           IS DISTINCT FROM
           (excluded.source, excluded.order_id, excluded.category, excluded.is_storno,
            excluded.issued_on, excluded.reversal_for, excluded.total, excluded.currency,
            excluded.problem)
"""

_MOVE = """
    INSERT INTO app.emag_platform_cursors AS c (platform, account, resource, position)
    VALUES (:platform, :account, :resource, CAST(:position AS date)::timestamp AT TIME ZONE 'UTC')
    ON CONFLICT (platform, account, resource) DO UPDATE
       SET position = greatest(c.position, excluded.position), updated_at = clock_timestamp()
"""

_FOR_ORDERS = """
    SELECT number, order_id, category, issued_on, reversal_for, is_storno, problem
      FROM app.emag_issued_invoices
     WHERE platform = :platform AND order_id = ANY(:orders) AND source = 'customer-invoice'
    UNION ALL
    SELECT number, order_id, category, issued_on, reversal_for, is_storno, problem
      FROM app.emag_issued_invoices
     WHERE platform = :platform AND account = :account AND problem IS NOT NULL
       AND order_id IS NULL AND source = 'customer-invoice'
"""

# What can't be read is asked for again, so that it is known as soon as it can.
_READ_UNTIL = """
    SELECT least(CAST(:until AS date), min(coalesce(issued_on, :since)))
      FROM app.emag_issued_invoices
     WHERE platform = :platform AND account = :account AND problem IS NOT NULL
       AND source = :source AND coalesce(issued_on, :since) >= CAST(:since AS date)
"""


@dataclass(frozen=True)
class Sum:
    """What an invoice comes to with VAT, as eMAG says; a storno's is negative."""

    total: Decimal | None = None
    currency: str | None = None


async def mirrored_since(
    engine: Engine, platform: str, account: str, source: Source, today: date
) -> date:
    """The first day to ask for: some days before the last look, and what a first look needs."""
    async with autocommit(engine) as connection:
        found = await connection.execute(_SINCE, _cursor(platform, account, source))
        last: date | None = found.scalar_one_or_none()
    return last - OVERLAP if last else today - FIRST_LOOK[source]


async def store_issued(
    engine: Engine,
    platform: str,
    account: str,
    source: Source,
    invoices: Sequence[tuple[IssuedInvoice, Sum]],
) -> None:
    """Keep these invoices, each once."""
    document = orjson.dumps([_document(*each) for each in invoices]).decode()
    stored = {"platform": platform, "account": account, "source": source.value}
    async with autocommit(engine) as connection:
        await connection.execute(_STORE, {**stored, "invoices": document})


def _document(invoice: IssuedInvoice, amount: Sum) -> dict[str, Any]:
    """The invoice as the columns can hold it; what can be no order's number belongs to none."""
    document = asdict(invoice)
    document["currency"] = amount.currency
    texts = {key: storable(each) for key, each in document.items() if isinstance(each, str)}
    known = invoice.order_id is not None and 0 < invoice.order_id <= HIGHEST_ORDER
    total = None if amount.total is None else str(amount.total)
    order_id = invoice.order_id if known else None
    return {**document, **texts, "order_id": order_id, "total": total}


async def mirrored_until(
    engine: Engine, platform: str, account: str, source: Source, day: date
) -> None:
    """Move the cursor, once everything up to this day is stored."""
    moved = {**_cursor(platform, account, source), "position": day}
    async with autocommit(engine) as connection:
        await connection.execute(_MOVE, moved)


def _cursor(platform: str, account: str, source: Source) -> dict[str, Any]:
    return {"platform": platform, "account": account, "resource": source.value}


async def read_until(
    engine: Engine, platform: str, account: str, source: Source, since: date, until: date
) -> date:
    """The last day up to which all that a window held could be read."""
    window = {
        "platform": platform,
        "account": account,
        "source": source.value,
        "since": since,
        "until": until,
    }
    async with autocommit(engine) as connection:
        day: date = (await connection.execute(_READ_UNTIL, window)).scalar_one()
    return day


async def issued_for(
    engine: Engine, platform: str, account: str, orders: Collection[int]
) -> dict[int, list[IssuedInvoice]]:
    """The mirrored invoices that are documents of these orders.

    Under NO_ORDER those that may be of any of the account's orders, since theirs can't be read.
    """
    found: dict[int, list[IssuedInvoice]] = {}
    asked = {"platform": platform, "account": account, "orders": list(orders)}
    async with autocommit(engine) as connection:
        for row in await connection.execute(_FOR_ORDERS, asked):
            found.setdefault(row.order_id or NO_ORDER, []).append(
                IssuedInvoice(
                    number=row.number,
                    order_id=row.order_id,
                    category=row.category,
                    date=row.issued_on,
                    reversal_for=row.reversal_for,
                    is_storno=row.is_storno,
                    problem=row.problem,
                )
            )
    return found
