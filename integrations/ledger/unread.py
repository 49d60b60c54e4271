"""What a run would come to owe the ERP and read by its number; looked up without noting it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from integrations.ledger.database import autocommit, storable
from integrations.ledger.engine import Engine
from integrations.ledger.mirror_orders import REFUND_ASKED_FOR, Seen
from integrations.ledger.mirror_returns import Owed

_OPEN_BEFORE = """
    SELECT emag_id, type FROM app.emag_returns
     WHERE platform = :platform AND account = :account
       AND type = ANY(CAST(:types AS smallint[])) AND status IN (1, 2, 3, 6) AND NOT owed
       AND NOT emag_id = ANY(CAST(:met AS bigint[]))
     ORDER BY emag_id LIMIT :most
"""

_KNOWN = """
    SELECT m.order_id, m.type, m.lines, m.wish_told, m.status, m.attempts FROM app.emag_orders m
     WHERE m.platform = :platform AND m.account = :account AND NOT m.owed AND EXISTS ({news})
"""

_INVOICED = """
    SELECT FROM app.emag_invoice_integrations i
     WHERE i.platform = m.platform AND i.emag_order_id = m.order_id
       AND NOT i.superseded AND i.queued_at >= CAST(:since AS timestamptz)
       AND m.read_at < i.queued_at
"""

_ASKED = (
    f"{_KNOWN.format(news=_INVOICED)} UNION {_KNOWN.format(news=REFUND_ASKED_FOR)}"
    " ORDER BY order_id LIMIT :most"
)

_UNKNOWN = """
    SELECT number FROM unnest(CAST(:numbers AS text[])) AS number
    EXCEPT
    SELECT number FROM app.emag_issued_invoices WHERE platform = :platform AND account = :account
"""


async def open_before(
    engine: Engine,
    platform: str,
    account: str,
    types: Collection[int],
    met: Collection[int],
    most: int,
) -> list[Owed]:
    """Returns that were open when they were last read and are not among those met now."""
    wanted = {
        "platform": platform,
        "account": account,
        "types": sorted(types),
        "met": sorted(met),
        "most": most,
    }
    async with autocommit(engine) as connection:
        return [
            Owed(row.emag_id, row.type) for row in await connection.execute(_OPEN_BEFORE, wanted)
        ]


async def invoiced(
    engine: Engine, platform: str, account: str, since: datetime, most: int
) -> list[tuple[int, Seen]]:
    """Orders that got an invoice since then, or whose refund was asked for without a request, and
    were not read after that: type, and what is known.

    They are as they were; it is the ERP that has something new.
    """
    wanted = {"platform": platform, "account": account, "since": since, "most": most}
    async with autocommit(engine) as connection:
        return [
            (
                row.type,
                Seen(
                    order_id=row.order_id,
                    changed=False,
                    due=True,
                    lines=row.lines,
                    wish_is_new=not row.wish_told,
                    status_before=row.status,
                    attempts=row.attempts,
                ),
            )
            for row in await connection.execute(_ASKED, wanted)
        ]


async def unknown_invoices(
    engine: Engine, platform: str, account: str, numbers: Collection[str]
) -> set[str]:
    """Which of these invoices of eMAG's are not mirrored yet."""
    wanted = {
        "platform": platform,
        "account": account,
        "numbers": [storable(number) for number in numbers],
    }
    async with autocommit(engine) as connection:
        return {row.number for row in await connection.execute(_UNKNOWN, wanted)}
