"""Rows that were refused or are in doubt are told once, whoever carried them.

What was told stands beside the alarms: `about` is the row's state, `subject` its name (`rma:12`)
and `due_at` since when. A row that is queued anew and refused again is told again; one that stays
as it is, is not.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from integrations.erp.connection import Connection
from integrations.erp.rows import Kind
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS, State
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine

# More are told by the next runs: old rows of a shop that upgrades or adopts its own, for example.
MOST = 200

# Deleted in one statement.
AT_ONCE = 10_000

# Nothing that a row undergoes while it stays refused or in doubt moves this: when it was queued, or
# both sides last agreed about it. The second column has a zone in some ERPs and none in others.
_SINCE = """coalesce(greatest(t.queued_at, to_timestamp(extract(epoch FROM t.last_synced_at))),
                    'epoch')"""

# Whether the ERP made a row long before it was first queued, as those are that `adopt` queues: all
# of them at once and now, so that a row that has just been refused would stand behind thousands.
# An ERP that was there first may keep no such time, or in a form of its own.
_FROM_BEFORE = r"""coalesce(t.wanted_revision = 1 AND t.queued_at - interval '1 day' > (
               SELECT CASE WHEN made.at ~ '^\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d'
                           THEN made.at::timestamptz END
                 FROM app.{erp_table} e, LATERAL (SELECT to_jsonb(e) ->> 'created_at') AS made(at)
                WHERE e.id = t.{erp_id}), false)"""

# Begins at the index over what is not settled.
_OF_A_KIND = """
    SELECT '{kind}' AS kind, t.{erp_id} AS row_id, t.emag_order_id AS order_id,
           coalesce(t.platform, '') AS platform, coalesce(t.account_type::text, '') AS account,
           t.sync_state AS about, '{kind}:' || t.{erp_id} AS subject, {since} AS due_at,
           t.error_message AS reason, {from_before} AS from_before
      FROM {table} t
     WHERE t.sync_state IN ('refused', 'in_doubt') AND NOT t.superseded"""

_ROWS = "\n    UNION ALL".join(
    _OF_A_KIND.format(
        kind=kind.value,
        table=books.name,
        erp_id=books.erp_id,
        since=_SINCE,
        from_before=_FROM_BEFORE.format(erp_table=ERP_TABLES[kind].name, erp_id=books.erp_id),
    )
    for kind, books in BOOKS.items()
)

# What nobody was told of, but for the rows of the others.
_UNTOLD = f"""
          FROM ({_ROWS}) AS r
         WHERE r.account <> ALL(CAST(:others AS text[]))
           AND NOT EXISTS (
               SELECT FROM app.emag_alarms k
                WHERE k.platform = r.platform AND k.about = r.about AND k.subject = r.subject
                  AND k.due_at = r.due_at)"""

# Whoever inserts it tells it. Always in the same order, so that two runs can't wait for each other.
_TELL = f"""
    WITH untold AS MATERIALIZED (
        SELECT r.*{_UNTOLD}
         ORDER BY r.from_before, r.due_at DESC, r.subject LIMIT :most),
    told AS (
        INSERT INTO app.emag_alarms (platform, account, about, subject, due_at, told_at)
        SELECT platform, account, about, subject, due_at, clock_timestamp()
          FROM untold ORDER BY due_at DESC, subject
        ON CONFLICT (platform, about, subject, due_at) DO NOTHING
        RETURNING platform, about, subject, due_at)
    SELECT kind, row_id, order_id, account, about AS state, reason
      FROM untold JOIN told USING (platform, about, subject, due_at)
     ORDER BY from_before, due_at DESC, subject
"""

_LEFT = f"SELECT count(*) AS rows{_UNTOLD}"

_STILL_OF_A_KIND = """
               SELECT FROM {table} t
                WHERE split_part(a.subject, ':', 1) = '{kind}' AND NOT t.superseded
                  AND t.{erp_id} = nullif(split_part(a.subject, ':', 2), '')::bigint
                  AND t.sync_state = a.about AND {since} = a.due_at"""

_STILL = "\n               UNION ALL".join(
    _STILL_OF_A_KIND.format(kind=kind.value, table=books.name, erp_id=books.erp_id, since=_SINCE)
    for kind, books in BOOKS.items()
)

_FORGET = f"""
    DELETE FROM app.emag_alarms WHERE (platform, about, subject, due_at) IN (
        SELECT a.platform, a.about, a.subject, a.due_at FROM app.emag_alarms a
         WHERE a.about IN ('refused', 'in_doubt')
           AND a.told_at < statement_timestamp() - make_interval(days => :days)
           AND NOT EXISTS ({_STILL})
         ORDER BY a.platform, a.about, a.subject, a.due_at LIMIT :most FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True)
class Untold:
    """A row that needs a person and is the caller's to tell; `account` is empty where it has none.

    `state` is refused or in doubt; `reason` holds no customer's data.
    """

    kind: Kind
    row_id: int
    order_id: int | None
    account: str
    state: State
    reason: str


async def take_untold(connection: Connection, others: Collection[str] = ()) -> list[Untold]:
    """Rows that nobody was told of, MOST of them; from now on they count as told.

    The newest come first, and what was queued long after the ERP had made it comes last. Those of
    the `others`, accounts that are not the caller's, are left to whoever's they are. The connection
    is in autocommit.
    """
    values = {"others": sorted(others), "most": MOST}
    return [_untold(row) for row in await connection.execute(_TELL, values)]


async def count_untold(connection: Connection, others: Collection[str] = ()) -> int:
    """How many rows are still to be told, but for those of the `others`."""
    found = (await connection.execute(_LEFT, {"others": sorted(others)})).one()
    return int(found.rows)


def _untold(row: Any) -> Untold:
    return Untold(
        kind=Kind(row.kind),
        row_id=row.row_id,
        order_id=row.order_id,
        account=row.account,
        state=State(row.state),
        reason=row.reason or "",
    )


async def forget_told(engine: Engine, days: int) -> int:
    """Delete what was told so many days ago, 30 at least, of rows that have moved on; how many."""
    forgotten = 0
    async with autocommit(engine) as connection:
        values = {"days": max(days, 30), "most": AT_ONCE}
        while gone := (await connection.execute(_FORGET, values)).rowcount:
            forgotten += gone
    return forgotten
