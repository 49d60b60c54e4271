"""What eMAG gives the seller only so long for: returns to finalize, documents, wishes to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from integrations.emag.accounts import Account
from integrations.erp.connection import Connection

HORIZON = 72  # hours
NAMED = 5

# Each part begins at an index over what is open; only orders without a document could pile up, so
# those late for more than 30 days are no longer counted. A return is due when its day has ended
# where the platform is. An ERP invoice counts once our books say that it is attached. What eMAG
# fulfils (type 2) takes the seller's document, but only eMAG can finalize its return or cancel it.
DUE = """
    SELECT 'return' AS about, a.platform, a.account, r.emag_id::text AS subject, r.order_id,
           (r.finalize_by + 1)::timestamp AT TIME ZONE a.zone AS due_at
      FROM unnest(CAST(:platforms AS text[]), CAST(:accounts AS text[]), CAST(:zones AS text[]))
           AS a (platform, account, zone)
      JOIN app.emag_returns r ON r.platform = a.platform AND r.account = a.account
     WHERE r.type <> 2 AND r.status IN (1, 2, 3, 6)
       AND (r.finalize_by + 1)::timestamp AT TIME ZONE a.zone
           <= statement_timestamp() + make_interval(hours => :horizon)
    UNION ALL
    SELECT 'document', a.platform, a.account, o.order_id::text, o.order_id,
           o.finalized_at + make_interval(hours => :document)
      FROM unnest(CAST(:platforms AS text[]), CAST(:accounts AS text[])) AS a (platform, account)
      JOIN app.emag_orders o ON o.platform = a.platform AND o.account = a.account
     WHERE o.status = 4 AND o.documents = 0
       AND o.finalized_at > statement_timestamp()
           - make_interval(hours => :document, days => 30)
       AND o.finalized_at <= statement_timestamp()
           + make_interval(hours => :horizon - :document)
       AND NOT EXISTS (
           SELECT FROM app.emag_issued_invoices i
            WHERE i.platform = o.platform AND i.order_id = o.order_id
              AND i.source = 'customer-invoice' AND NOT i.is_storno)
       AND NOT EXISTS (
           SELECT FROM app.emag_invoice_integrations t
            WHERE t.platform = o.platform AND t.emag_order_id = o.order_id AND NOT t.superseded
              AND lower(t.emag_status::text) = 'attached'
              AND coalesce(lower(t.emag_invoice_type::text), '')
                  NOT IN ('proforma_invoice', 'credit_note'))
    UNION ALL
    SELECT 'wish', a.platform, a.account, o.order_id::text, o.order_id,
           o.wish_at + make_interval(hours => :wish)
      FROM unnest(CAST(:platforms AS text[]), CAST(:accounts AS text[])) AS a (platform, account)
      JOIN app.emag_orders o ON o.platform = a.platform AND o.account = a.account
     WHERE o.type <> 2 AND o.wish_at IS NOT NULL AND o.status IN (1, 2, 3)
       AND o.wish_at <= statement_timestamp() + make_interval(hours => :horizon - :wish)
"""

# What can still be kept comes first, the nearest foremost; then what was missed last.
_CLOCKS = f"""
    WITH due AS MATERIALIZED ({DUE})
    SELECT * FROM (
        SELECT due.*,
               count(*) FILTER (WHERE due_at <= statement_timestamp()) OVER each AS late,
               count(*) FILTER (WHERE due_at > statement_timestamp() AND due_at
                                <= statement_timestamp() + interval '24 hours') OVER each AS a_day,
               count(*) FILTER (WHERE due_at > statement_timestamp()) OVER each AS three_days,
               row_number() OVER (
                   PARTITION BY platform, account, about
                   ORDER BY due_at <= statement_timestamp(),
                            abs(extract(epoch FROM due_at - statement_timestamp())), subject
               ) AS place
          FROM due WINDOW each AS (PARTITION BY platform, account, about)) AS placed
     WHERE place <= :named ORDER BY account, platform, about, place
"""


class About(StrEnum):
    """What eMAG waits for."""

    RETURN = "return"
    DOCUMENT = "document"
    WISH = "wish"


@dataclass(frozen=True)
class Hours:
    """How long after an order's finalization its document is due, and after a customer's wish the
    answer to it; how long before a deadline the alarm comes."""

    document: int = 48
    wish: int = 24
    alarm: int = 24


@dataclass(frozen=True)
class Deadline:
    """Something that eMAG waits for until `due_at` (aware).

    `subject` is the return's number at eMAG, or the order's.
    """

    platform: str
    account: str
    about: About
    subject: str
    order_id: int | None
    due_at: datetime


@dataclass(frozen=True)
class Clocks:
    """What eMAG waits for of one account and one sort.

    Attributes:
        late: how many deadlines have passed, of documents those of the last 30 days.
        within_24_hours, within_72_hours: how many end by then; the second holds the first.
        next: the nearest few, before those missed last.
    """

    platform: str
    account: str
    about: About
    late: int
    within_24_hours: int
    within_72_hours: int
    next: Sequence[Deadline]


async def clocks_of(
    connection: Connection, accounts: Sequence[Account], hours: Hours
) -> list[Clocks]:
    """What is due within 72 hours or late, over a connection in autocommit."""
    values = {**horizon(accounts, hours, HORIZON), "named": NAMED}
    found: dict[tuple[str, str, str], Clocks] = {}
    for row in await connection.execute(_CLOCKS, values):
        key = (row.platform, row.account, row.about)
        before = found[key].next if key in found else ()
        found[key] = Clocks(
            platform=row.platform,
            account=row.account,
            about=About(row.about),
            late=row.late,
            within_24_hours=row.a_day,
            within_72_hours=row.three_days,
            next=[*before, deadline_of(row)],
        )
    return list(found.values())


def horizon(accounts: Sequence[Account], hours: Hours, ahead: int) -> dict[str, Any]:
    """The parameters of DUE for what is due within so many hours or late."""
    return {
        "platforms": [account.platform for account in accounts],
        "accounts": [account.name for account in accounts],
        "zones": [account.zone.key for account in accounts],
        "document": hours.document,
        "wish": hours.wish,
        "horizon": ahead,
    }


def deadline_of(row: Any) -> Deadline:
    """A row of DUE."""
    return Deadline(
        row.platform, row.account, About(row.about), row.subject, row.order_id, row.due_at
    )
