"""What of the mirror was compared with the ERP by value, and what has waited longest for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit
from integrations.ledger.differences import About
from integrations.ledger.engine import Engine
from integrations.ledger.mirrored import MIRRORS, Scope

# Rows are taken in order, so that two runs never wait for each other.
_NOTE = """
    UPDATE app.{table} m SET compared_at = clock_timestamp()
      FROM (SELECT {number} AS number FROM app.{table}
             WHERE platform = :platform AND {number} = ANY(CAST(:numbers AS bigint[]))
             ORDER BY {number} FOR UPDATE) n
     WHERE m.platform = :platform AND m.{number} = n.number
"""

_DAYS = """
    SELECT (placed_at AT TIME ZONE :zone)::date AS day, count(*) AS rows
      FROM app.{table}
     WHERE platform = :platform AND account = :account AND type = :type
       AND placed_at >= :after AND placed_at < :before
     GROUP BY 1 ORDER BY min(coalesce(compared_at, '-infinity')), 1
"""

_OPEN = """
    SELECT m.{number} AS number, count(*) OVER () AS all_of_them,
           (coalesce(m.placed_at, m.changed_at) AT TIME ZONE :zone)::date AS day
      FROM app.{table} m
     WHERE m.platform = :platform AND m.account = :account AND m.read_at > '-infinity'
       AND coalesce(m.placed_at, m.changed_at) < :before
       AND coalesce(m.compared_at < :began, true)
       AND m.{number} IN ({with_open_money})
     ORDER BY m.compared_at NULLS FIRST, m.{number} LIMIT :most
"""

# What the ERP's rows still wait for, by kind: the columns that tell it, and how.
_WAITS: Mapping[Kind, tuple[tuple[str, ...], str]] = {
    Kind.INVOICE: (
        ("status",),
        "lower(e.status::text) IN ('issued', 'sent', 'overdue') AND m.status <> 0",
    ),
    Kind.CANCELLATION: (
        ("refund_amount", "refund_processed"),
        "e.refund_amount::numeric > 0 AND NOT e.refund_processed::boolean",
    ),
    Kind.RMA: (
        ("refund_amount", "refund_processed"),
        "e.refund_amount::numeric > 0 AND NOT e.refund_processed::boolean AND m.status = 7",
    ),
}

_WAITING = """
    SELECT {named} FROM {books} b JOIN app.{erp} e ON e.id = b.{erp_id}
     WHERE b.platform = :platform AND NOT b.superseded AND {named} IS NOT NULL AND {waits}
"""

_KINDS: Mapping[About, tuple[Kind, ...]] = {
    About.ORDER: (Kind.INVOICE, Kind.CANCELLATION),
    About.RETURN: (Kind.RMA,),
}

# Our books name an order or a return that nobody has mirrored, or whose mirror is lost, whoever
# has hinted at it. Nothing says when one was last looked for: where there are too many, chance has
# each come round.
_UNMIRRORED = """
    SELECT {named} AS number,
           (min(coalesce(b.queued_at, b.last_synced_at AT TIME ZONE 'UTC'))
            AT TIME ZONE :zone)::date AS day
      FROM {books} b JOIN app.{erp} e ON e.id = b.{erp_id}
     WHERE b.platform = :platform AND lower(b.account_type::text) = lower(:account)
       AND NOT b.superseded
       AND {named} > 0 AND b.sync_state = 'synced'
       AND coalesce(b.queued_at, b.last_synced_at AT TIME ZONE 'UTC') >= :after
       AND coalesce(b.queued_at, b.last_synced_at AT TIME ZONE 'UTC') < :before
       AND NOT EXISTS (SELECT FROM app.{table} m
                        WHERE m.platform = :platform AND m.{number} = {named}
                          AND m.read_at > '-infinity')
     GROUP BY 1 ORDER BY random()
"""

# eMAG's number as our books have it.
_NAMED: Mapping[About, str] = {
    About.ORDER: "b.emag_order_id",
    About.RETURN: "CASE WHEN b.emag_return_id ~ '^[0-9]{1,18}$' THEN b.emag_return_id::bigint END",
}


@dataclass(frozen=True)
class Open:
    """Rows with money open in the ERP: days by number, and how many more there are."""

    days: Mapping[int, date]
    left: int


async def note_compared(
    engine: Engine, about: About, platform: str, numbers: Collection[int]
) -> None:
    """Note that these were compared with the ERP by value just now."""
    mirror = MIRRORS[about]
    query = _NOTE.format(table=mirror.table, number=mirror.number)
    async with autocommit(engine) as connection:
        await connection.execute(query, {"platform": platform, "numbers": sorted(numbers)})


async def longest_uncompared(
    engine: Engine, scope: Scope, after: datetime, before: datetime
) -> dict[date, int]:
    """The window's local days and how many rows each has; those compared longest ago first."""
    query = _DAYS.format(table=MIRRORS[scope.about].table)
    values = {**scope.values(after, before), "zone": scope.zone.key}
    async with autocommit(engine) as connection:
        return {row.day: row.rows for row in await connection.execute(query, values)}


async def money_open(
    engine: Engine,
    schema: ErpSchema,
    scope: Scope,
    before: datetime,
    began: datetime,
    most: int,
) -> Open:
    """What was placed before `before`, whose money the ERP waits for, of any type.

    Left out is what was compared since `began`; those compared longest ago come first.
    """
    waiting = list(_waiting(schema, scope.about))
    if not waiting:
        return Open({}, 0)
    mirror = MIRRORS[scope.about]
    query = _OPEN.format(
        number=mirror.number, table=mirror.table, with_open_money=" UNION ".join(waiting)
    )
    values = {
        "platform": scope.platform,
        "account": scope.account,
        "zone": scope.zone.key,
        "before": before,
        "began": began,
        "most": most,
    }
    async with autocommit(engine) as connection:
        rows = (await connection.execute(query, values)).rows
    found = {row.number: row.day for row in rows}
    return Open(found, rows[0].all_of_them - len(found) if rows else 0)


def _waiting(schema: ErpSchema, about: About) -> Iterator[str]:
    for kind in _KINDS[about]:
        columns, waits = _WAITS[kind]
        erp, books = ERP_TABLES[kind].name, BOOKS[kind]
        if all(schema.column(erp, column) for column in columns):
            yield _WAITING.format(
                named=_NAMED[about],
                books=books.name,
                erp=erp,
                erp_id=books.erp_id,
                waits=waits,
            )


async def unmirrored(
    engine: Engine, scope: Scope, after: datetime, before: datetime
) -> dict[int, date]:
    """Returns, or cancelled orders, that our books had queued in the window and nobody mirrors.

    In no order.
    """
    kind = Kind.CANCELLATION if scope.about is About.ORDER else Kind.RMA
    books, mirror = BOOKS[kind], MIRRORS[scope.about]
    query = _UNMIRRORED.format(
        named=_NAMED[scope.about],
        books=books.name,
        erp=ERP_TABLES[kind].name,
        erp_id=books.erp_id,
        table=mirror.table,
        number=mirror.number,
    )
    values = {
        "platform": scope.platform,
        "account": scope.account,
        "zone": scope.zone.key,
        "after": after,
        "before": before,
    }
    async with autocommit(engine) as connection:
        return {row.number: row.day for row in await connection.execute(query, values)}
