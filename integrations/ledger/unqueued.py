"""How many ERP rows were never queued: they are from before capture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.erp.connection import Connection
from integrations.erp.rows import QUEUED_INVOICES, UNAPPROVED, Kind
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS

# A larger table (in pages of 8 kB) is estimated from about that many of its pages.
EXACT_PAGES = 500

INTEGERS = frozenset({"smallint", "integer", "bigint"})

# Statuses that are queued; a kind that isn't named is queued in every status.
_STATUSES: Mapping[Kind, frozenset[str]] = {
    Kind.CANCELLATION: frozenset({"pending", "approved"}),
    Kind.INVOICE: QUEUED_INVOICES,
}

_SIZE = """
    SELECT relkind IN ('r', 'p') AS sampled,
           coalesce((SELECT sum(pg_relation_size(t.relid)) FROM pg_partition_tree(c.oid) t),
                    pg_relation_size(c.oid), 0) / 8192 AS pages
      FROM pg_class c
     WHERE c.oid = to_regclass('app.{table}')
       AND (SELECT count(*) FROM pg_attribute a
             WHERE a.attrelid = c.oid AND NOT a.attisdropped
               AND (a.attname IN ('status', 'created_at') OR a.attname = 'id'
                    AND format_type(a.atttypid, NULL) IN ({integers}))) = 3
"""


@dataclass(frozen=True)
class Unqueued:
    """How many rows of a kind were never queued.

    Exact up to `EXACT_PAGES`; of a larger table an estimate from a sample, rounded to two digits,
    in which a few rows close together may go unseen. A table that can't be read (see `db check`)
    counts as empty.
    """

    rows: int = 0
    estimated: bool = False


async def count_unqueued(connection: Connection) -> dict[Kind, Unqueued]:
    """What `emag-flows adopt` would queue, were it asked for all of it."""
    return {kind: await _count(connection, kind) for kind in Kind}


def sizing(kind: Kind) -> str:
    """The query for the size of a kind's table; it finds no row where that can't be read."""
    integers = ", ".join(f"'{name}'" for name in sorted(INTEGERS))
    return _SIZE.format(table=ERP_TABLES[kind].name, integers=integers)


def never_queued(kind: Kind, *, require_approval: bool = False) -> str:
    """The condition on an ERP row `e` that makes it adoptable.

    With `require_approval`, cancellations that nobody has approved are not.
    """
    books = BOOKS[kind]
    wanted = _STATUSES.get(kind, frozenset())
    if require_approval and kind is Kind.CANCELLATION:
        wanted -= UNAPPROVED
    statuses = ", ".join(f"'{status}'" for status in sorted(wanted))
    status = f"lower(e.status::text) IN ({statuses}) AND " if statuses else ""
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


async def _count(connection: Connection, kind: Kind) -> Unqueued:
    size = (await connection.execute(sizing(kind))).first()
    if size is None:
        return Unqueued()
    share = EXACT_PAGES / float(size.pages) if size.sampled and size.pages > EXACT_PAGES else 1.0
    sample = f"TABLESAMPLE SYSTEM ({100 * share}) REPEATABLE (1)" if share < 1 else ""
    table = f"app.{ERP_TABLES[kind].name}"
    query = f"SELECT count(*) AS rows FROM {table} AS e {sample} WHERE {never_queued(kind)}"
    count = int((await connection.execute(query)).one().rows)
    return Unqueued(_two_digits(count / share), True) if share < 1 else Unqueued(count)


def _two_digits(number: float) -> int:
    return int(float(f"{number:.1e}"))
