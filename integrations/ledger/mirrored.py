"""What the mirror holds, to be compared with eMAG's numbers and rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from integrations.emag.return_facts import Refund
from integrations.ledger.database import autocommit
from integrations.ledger.differences import About
from integrations.ledger.engine import Engine

# What a status that can't be read is mirrored as.
UNREADABLE = -1

_TALLY = """
    SELECT (placed_at AT TIME ZONE :zone)::date AS day, status, count(*) AS rows
      FROM app.{table}
     WHERE platform = :platform AND account = :account AND type = :type
       AND placed_at >= :after AND placed_at < :before
     GROUP BY 1, 2
"""

# What eMAG says of rows, beside what the mirror says: only where the two differ.
_UNLIKE = """
    SELECT r.number, r.status AS emag, m.status AS mirror, m.problem,
           (m.placed_at AT TIME ZONE :zone)::date AS day
      FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(number bigint, status integer)
      LEFT JOIN app.{table} m ON m.platform = :platform AND m.{number} = r.number
     WHERE m.status IS DISTINCT FROM r.status
     ORDER BY r.number
"""

_ABSENT = """
    SELECT {number} AS number, (placed_at AT TIME ZONE :zone)::date AS day FROM app.{table}
     WHERE platform = :platform AND account = :account AND type = :type
       AND placed_at >= :after AND placed_at < :before
       AND (CAST(:statuses AS integer[]) IS NULL OR status = ANY(CAST(:statuses AS integer[])))
       AND NOT {number} = ANY(CAST(:seen AS bigint[]))
     ORDER BY compared_at NULLS FIRST, {number}
"""


_TOLD = """
    SELECT order_id FROM app.emag_orders
     WHERE platform = :platform AND order_id = ANY(CAST(:numbers AS bigint[])) AND NOT owed
"""

_OWED = """
    SELECT {number} AS number, problem FROM app.{table}
     WHERE platform = :platform AND {number} = ANY(CAST(:numbers AS bigint[])) AND owed
"""

# What nobody has paid yet is no business of a row that names a refund of its own.
_UNREFUNDED = """
    SELECT r.number
      FROM jsonb_to_recordset(CAST(:refunds AS jsonb))
           AS r(number bigint, amount numeric, processed boolean, paid boolean)
      JOIN app.emag_returns m ON m.platform = :platform AND m.emag_id = r.number AND NOT m.owed
      JOIN app.emag_return_integrations b ON b.platform = :platform AND NOT b.superseded
                                         AND b.emag_return_id = r.number::text
      JOIN app.return_requests e ON e.id = b.return_request_id
     WHERE CASE WHEN r.paid
                THEN round(e.refund_amount::numeric, 2) IS DISTINCT FROM r.amount
                     OR e.refund_processed IS DISTINCT FROM r.processed
                ELSE coalesce(e.refund_amount::numeric, 0) = 0
                     AND NOT coalesce(e.refund_processed::boolean, false) END
"""

# Of several rows of the ERP's the newest is the return's owner.
_REFUNDS = """
    SELECT DISTINCT ON (b.emag_return_id) b.emag_return_id::bigint AS number, e.id AS row_id,
           e.refund_amount::numeric AS amount,
           coalesce(e.refund_processed::boolean, false) AS processed
      FROM app.emag_return_integrations b JOIN app.return_requests e ON e.id = b.return_request_id
     WHERE b.platform = :platform AND NOT b.superseded
       AND b.emag_return_id = ANY(CAST(:numbers AS text[]))
     ORDER BY b.emag_return_id, b.id DESC
"""


@dataclass(frozen=True)
class Refunded:
    """What a return of the ERP's holds of its refund."""

    row_id: int
    amount: Decimal | None
    processed: bool


@dataclass(frozen=True)
class Mirror:
    """A table of the mirror and its column for eMAG's number."""

    table: str
    number: str


MIRRORS: Mapping[About, Mirror] = {
    About.ORDER: Mirror("emag_orders", "order_id"),
    About.RETURN: Mirror("emag_returns", "emag_id"),
}


@dataclass(frozen=True)
class Scope:
    """The mirrored rows of one account and type; `zone` decides what a day is."""

    about: About
    platform: str
    account: str
    type: int
    zone: ZoneInfo

    def values(self, after: datetime, before: datetime) -> dict[str, object]:
        return {
            "platform": self.platform,
            "account": self.account,
            "type": self.type,
            "after": after,
            "before": before,
        }


@dataclass(frozen=True)
class Unlike:
    """A row that eMAG shows otherwise than the mirror; `mirror` and `day` are None without one."""

    number: int
    emag: int
    mirror: int | None
    day: date | None
    problem: str | None


async def tally(
    engine: Engine, scope: Scope, after: datetime, before: datetime
) -> Counter[tuple[date, int]]:
    """How many rows the mirror holds by local day and status, of those placed in the window."""
    query = _TALLY.format(table=MIRRORS[scope.about].table)
    values = {**scope.values(after, before), "zone": scope.zone.key}
    async with autocommit(engine) as connection:
        rows = await connection.execute(query, values)
        return Counter({(row.day, row.status): row.rows for row in rows})


async def unlike(engine: Engine, scope: Scope, statuses: Mapping[int, int]) -> list[Unlike]:
    """Which of eMAG's rows (status by number) the mirror lacks or holds in another status."""
    mirror = MIRRORS[scope.about]
    query = _UNLIKE.format(table=mirror.table, number=mirror.number)
    rows = [{"number": number, "status": status} for number, status in statuses.items()]
    values = {"platform": scope.platform, "zone": scope.zone.key, "rows": json.dumps(rows)}
    async with autocommit(engine) as connection:
        found = await connection.execute(query, values)
        return [Unlike(row.number, row.emag, row.mirror, row.day, row.problem) for row in found]


async def absent(
    engine: Engine,
    scope: Scope,
    after: datetime,
    before: datetime,
    statuses: Iterable[int] | None,
    seen: Iterable[int],
) -> dict[int, date]:
    """Mirrored rows of the window (and statuses) that are not among those seen: days by number.

    Those that were looked at longest ago come first.
    """
    mirror = MIRRORS[scope.about]
    query = _ABSENT.format(table=mirror.table, number=mirror.number)
    values = {
        **scope.values(after, before),
        "zone": scope.zone.key,
        "statuses": None if statuses is None else sorted(statuses),
        "seen": list(seen),
    }
    async with autocommit(engine) as connection:
        return {row.number: row.day for row in await connection.execute(query, values)}


async def told_orders(engine: Engine, platform: str, numbers: Iterable[int]) -> list[int]:
    """Which of these orders the ERP has been told all about, so that it can be compared anew."""
    values = {"platform": platform, "numbers": list(numbers)}
    async with autocommit(engine) as connection:
        return [row.order_id for row in await connection.execute(_TOLD, values)]


async def unrefunded(engine: Engine, platform: str, refunds: Mapping[int, Refund]) -> list[int]:
    """Returns whose refund the ERP's row does not show."""
    rows = [
        {
            "number": number,
            "amount": str(refund.amount),
            "processed": refund.processed,
            "paid": refund.is_paid,
        }
        for number, refund in refunds.items()
    ]
    values = {"platform": platform, "refunds": json.dumps(rows)}
    async with autocommit(engine) as connection:
        return [row.number for row in await connection.execute(_UNREFUNDED, values)]


async def refunds_held(
    engine: Engine, platform: str, numbers: Iterable[int]
) -> dict[int, Refunded]:
    """What the ERP's rows of these returns hold of their refunds."""
    values = {"platform": platform, "numbers": [str(each) for each in numbers]}
    if not values["numbers"]:
        return {}
    async with autocommit(engine) as connection:
        return {
            row.number: Refunded(row.row_id, row.amount, row.processed)
            for row in await connection.execute(_REFUNDS, values)
        }


async def owed_of(
    engine: Engine, about: About, platform: str, numbers: Iterable[int]
) -> Mapping[int, str | None]:
    """Which of these the ERP is still owed, and why it could not be stored, where that is so."""
    mirror = MIRRORS[about]
    query = _OWED.format(table=mirror.table, number=mirror.number)
    values = {"platform": platform, "numbers": list(numbers)}
    async with autocommit(engine) as connection:
        return {row.number: row.problem for row in await connection.execute(query, values)}
