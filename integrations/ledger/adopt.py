"""ERP rows from before capture: how many were never queued, and queueing them.

Upgrading queues nothing that was there before. Adopting appends the rows to `app.emag_changes` as
if they had just changed; from there they go the way of every change. Left alone are rows that are
queued or wait to be, and rows that hold an eMAG id and a synced answer from an earlier integration.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time

from integrations.erp.connection import Connection
from integrations.erp.rows import UNAPPROVED, Kind
from integrations.erp.schema import ErpSchema, read_schema
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine
from integrations.ledger.unqueued import count_unqueued, never_queued, sizing

CHUNK = 5000


async def adoptable(engine: Engine) -> dict[Kind, int]:
    """How many rows of each kind `adopt` would queue, were it asked for all of them.

    A large table is estimated, and one that can't be read counts as empty: see `Unqueued`.
    """
    async with autocommit(engine) as connection:
        found = await count_unqueued(connection)
    return {kind: each.rows for kind, each in found.items()}


async def adopt(
    engine: Engine, since: date, kinds: Iterable[Kind], *, require_approval: bool = False
) -> dict[Kind, int]:
    """Queue the adoptable rows of these kinds that the ERP created since that day (UTC).

    With `require_approval`, cancellations that nobody has approved are passed over. Returns how
    many were queued. One short transaction a chunk; running it again queues nothing twice.
    """
    async with autocommit(engine) as connection:
        schema = await read_schema(connection)
        return {
            kind: await _adopt(connection, schema, kind, since, require_approval)
            if await _is_readable(connection, kind)
            else 0
            for kind in kinds
        }


async def unapproved(engine: Engine, since: date) -> int:
    """How many cancellations `adopt` passes over, since nobody has approved them."""
    kind, statuses = Kind.CANCELLATION, ", ".join(f"'{each}'" for each in UNAPPROVED)
    async with autocommit(engine) as connection:
        schema = await read_schema(connection)
        if not await _is_readable(connection, kind):
            return 0
        table = ERP_TABLES[kind].name
        query = f"""SELECT count(*) FROM app.{table} e
                     WHERE e.created_at >= :since AND lower(e.status::text) IN ({statuses})
                       AND {never_queued(kind)}"""
        found = await connection.execute(query, {"since": _begin(schema, table, since)})
        return int(found.scalar_one())


async def adoptable_ids(
    engine: Engine, since: date, kind: Kind, most: int, *, require_approval: bool = False
) -> list[int]:
    """The rows of a kind that `adopt` would queue, at most so many."""
    async with autocommit(engine) as connection:
        schema = await read_schema(connection)
        if not await _is_readable(connection, kind):
            return []
        table = ERP_TABLES[kind].name
        adoptable = never_queued(kind, require_approval=require_approval)
        query = f"""SELECT e.id FROM app.{table} e
                     WHERE e.created_at >= :since AND {adoptable}
                     ORDER BY e.id LIMIT :most"""
        found = await connection.execute(
            query, {"since": _begin(schema, table, since), "most": most}
        )
        return [row.id for row in found]


async def _is_readable(connection: Connection, kind: Kind) -> bool:
    return (await connection.execute(sizing(kind))).first() is not None


async def _adopt(
    connection: Connection, schema: ErpSchema, kind: Kind, since: date, require_approval: bool
) -> int:
    table = ERP_TABLES[kind].name
    statement = f"""
        WITH page AS (
            SELECT * FROM app.{table} WHERE id > :after ORDER BY id LIMIT :chunk),
        queued AS (
            INSERT INTO app.emag_changes (kind, row_id)
            SELECT '{kind.value}', e.id FROM page e
             WHERE e.created_at >= :since
               AND {never_queued(kind, require_approval=require_approval)}
             ORDER BY e.id
            RETURNING 1)
        SELECT (SELECT max(id) FROM page) AS last, (SELECT count(*) FROM queued) AS queued
        """
    values = {"chunk": CHUNK, "since": _begin(schema, table, since)}
    total, after = 0, -1
    while after is not None:
        done = (await connection.execute(statement, {**values, "after": after})).one()
        total, after = total + done.queued, done.last
    return total


def _begin(schema: ErpSchema, table: str, day: date) -> datetime:
    """Midnight UTC in the form of the table's created_at, which mostly carries no zone."""
    column = schema.column(table, "created_at")
    zoned = column is not None and "with time zone" in column.type_name
    midnight = datetime.combine(day, time(), UTC)
    return midnight if zoned else midnight.replace(tzinfo=None)
