"""ERP rows from before capture: how many were never queued, and queueing them.

Upgrading queues nothing that was there before. Adopting appends the rows to `app.emag_changes` as
if they had just changed; from there they go the way of every change. Left alone are rows that are
queued or wait to be, and rows that hold an eMAG id and a synced answer from an earlier integration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from integrations.erp.rows import QUEUED_INVOICES, Kind
from integrations.erp.schema import ErpSchema, read_schema
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit

CHUNK = 5000

# A larger table (in pages of 8 kB) is estimated from about that many of its pages.
EXACT_PAGES = 500

INTEGERS = frozenset({"smallint", "integer", "bigint"})

# Statuses that are queued; a kind that isn't named is queued in every status.
_STATUSES: Mapping[Kind, frozenset[str]] = {
    Kind.CANCELLATION: frozenset({"pending", "approved"}),
    Kind.INVOICE: QUEUED_INVOICES,
}

_SIZE = text("""
    SELECT relkind IN ('r', 'p') AS sampled,
           coalesce((SELECT sum(pg_relation_size(t.relid)) FROM pg_partition_tree(c.oid) t),
                    pg_relation_size(c.oid), 0) / 8192 AS pages
      FROM pg_class c WHERE c.oid = CAST(:table AS regclass)
""")


async def adoptable(engine: AsyncEngine) -> dict[Kind, int]:
    """How many rows of each kind `adopt` would queue, were it asked for all of them.

    Exact up to `EXACT_PAGES`; of a larger table an estimate from a sample, rounded to two digits,
    in which a few rows close together may go unseen. A table that can't be read (see `db check`)
    counts as empty.
    """
    async with autocommit(engine) as connection:
        schema = await read_schema(connection)
        readable = [kind for kind in Kind if _is_readable(schema, kind)]
        counts = dict.fromkeys(Kind, 0)
        return counts | {kind: await _count(connection, kind) for kind in readable}


async def estimated(engine: AsyncEngine) -> frozenset[Kind]:
    """The kinds whose tables are so large that `adoptable` only estimates them."""
    async with autocommit(engine) as connection:
        schema = await read_schema(connection)
        readable = [kind for kind in Kind if _is_readable(schema, kind)]
        return frozenset([kind for kind in readable if await _share(connection, kind) < 1])


async def adopt(engine: AsyncEngine, since: date, kinds: Iterable[Kind]) -> dict[Kind, int]:
    """Queue the adoptable rows of these kinds that the ERP created since that day (UTC).

    Returns how many were queued. One short transaction a chunk; running it again queues nothing
    twice.
    """
    async with autocommit(engine) as connection:
        schema = await read_schema(connection)
        return {
            kind: await _adopt(connection, schema, kind, since) if _is_readable(schema, kind) else 0
            for kind in kinds
        }


async def adoptable_ids(engine: AsyncEngine, since: date, kind: Kind, most: int) -> list[int]:
    """The rows of a kind that `adopt` would queue, at most so many."""
    async with autocommit(engine) as connection:
        schema = await read_schema(connection)
        if not _is_readable(schema, kind):
            return []
        table = ERP_TABLES[kind].name
        query = f"""SELECT e.id FROM app.{table} e
                     WHERE e.created_at >= :since AND {_never_queued(kind)}
                     ORDER BY e.id LIMIT :most"""
        found = await connection.execute(
            _statement(query, kind), {"since": _begin(schema, table, since), "most": most}
        )
        return [row.id for row in found]


def _is_readable(schema: ErpSchema, kind: Kind) -> bool:
    table = ERP_TABLES[kind].name
    key = schema.column(table, "id")
    needed = (schema.column(table, "status"), schema.column(table, "created_at"))
    return key is not None and key.type_name in INTEGERS and None not in needed


def _never_queued(kind: Kind) -> str:
    """The condition on an ERP row `e` that makes it adoptable."""
    books = BOOKS[kind]
    status = "lower(e.status::text) = ANY(:statuses) AND " if kind in _STATUSES else ""
    # Scalar subqueries, since EXISTS would become a join that reads all of our books each time.
    return f"""{status}(
            SELECT 1 FROM {books.name} b
             WHERE b.{books.erp_id} = e.id AND NOT b.superseded
               AND (b.sync_state IS NOT NULL
                    OR (b.{books.emag_id} <> '' AND b.last_synced_at IS NOT NULL
                        AND b.error_message IS NULL))
             LIMIT 1) IS NULL
        AND (
            SELECT 1 FROM app.emag_changes c
             WHERE c.kind = '{kind.value}' AND c.row_id = e.id
             LIMIT 1) IS NULL"""


def _statement(sql: str, kind: Kind) -> TextClause:
    statuses = _STATUSES.get(kind)
    return text(sql).bindparams(statuses=sorted(statuses)) if statuses else text(sql)


async def _count(connection: AsyncConnection, kind: Kind) -> int:
    share = await _share(connection, kind)
    sample = f"TABLESAMPLE SYSTEM ({100 * share}) REPEATABLE (1)" if share < 1 else ""
    table = f"app.{ERP_TABLES[kind].name}"
    query = f"SELECT count(*) FROM {table} AS e {sample} WHERE {_never_queued(kind)}"
    count = int((await connection.execute(_statement(query, kind))).scalar_one())
    return _two_digits(count / share) if share < 1 else count


async def _share(connection: AsyncConnection, kind: Kind) -> float:
    """Which part of a kind's table is looked at: all of it, 1.0, unless it is large."""
    table = f"app.{ERP_TABLES[kind].name}"
    size = (await connection.execute(_SIZE, {"table": table})).one()
    sampled = size.sampled and size.pages > EXACT_PAGES
    return EXACT_PAGES / float(size.pages) if sampled else 1.0


def _two_digits(number: float) -> int:
    return int(float(f"{number:.1e}"))


async def _adopt(connection: AsyncConnection, schema: ErpSchema, kind: Kind, since: date) -> int:
    table = ERP_TABLES[kind].name
    statement = _statement(
        f"""
        WITH page AS (
            SELECT * FROM app.{table} WHERE id > :after ORDER BY id LIMIT :chunk),
        queued AS (
            INSERT INTO app.emag_changes (kind, row_id)
            SELECT '{kind.value}', e.id FROM page e
             WHERE e.created_at >= :since AND {_never_queued(kind)}
             ORDER BY e.id
            RETURNING 1)
        SELECT (SELECT max(id) FROM page) AS last, (SELECT count(*) FROM queued) AS queued
        """,
        kind,
    )
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
