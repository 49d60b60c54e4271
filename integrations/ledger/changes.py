"""From captured changes to queued rows.

A change is stamped when a run first sees it. Once its row has rested, the change is deleted and
folded into the row's integration row in one transaction: consumption by deletion, so that a long
ERP transaction loses nothing however late it commits.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from integrations.emag.accounts import Account
from integrations.erp.load import NO_ORDER, fetch_fields, load_rows, order_text
from integrations.erp.rows import ErpRow, Kind, queued
from integrations.erp.schema import ErpSchema
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS, State
from integrations.ledger.database import autocommit
from integrations.ledger.points import Point, reached
from integrations.ledger.timings import Timings

CHUNK = 2000

_STAMP = text("""
    UPDATE app.emag_changes SET seen_at = clock_timestamp()
     WHERE id IN (SELECT id FROM app.emag_changes WHERE seen_at IS NULL
                   ORDER BY id FOR UPDATE SKIP LOCKED)
""")

_TAKE_RESTED = text("""
    WITH rested AS (
        SELECT kind, row_id FROM app.emag_changes WHERE row_id IS NOT NULL
         GROUP BY kind, row_id
        HAVING (bool_and(seen_at IS NOT NULL)
                AND max(seen_at) <= clock_timestamp() - make_interval(secs => :quiet))
            OR min(seen_at) <= clock_timestamp() - make_interval(secs => :quiet_cap)
         ORDER BY kind, row_id LIMIT :chunk),
    taken AS (
        SELECT c.id FROM app.emag_changes c
          JOIN rested r ON c.kind = r.kind AND c.row_id = r.row_id
         ORDER BY c.id FOR UPDATE OF c SKIP LOCKED)
    DELETE FROM app.emag_changes c USING taken WHERE c.id = taken.id
    RETURNING c.kind, c.row_id
""")

_TAKE_TRUNCATIONS = text("""
    DELETE FROM app.emag_changes
     WHERE row_id IS NULL AND seen_at <= clock_timestamp() - make_interval(secs => :quiet)
    RETURNING kind
""")

_REST = text("""
    SELECT max(extract(epoch FROM
               least(last_seen + make_interval(secs => :quiet),
                     first_seen + make_interval(secs => :quiet_cap)) - clock_timestamp()))::float8
      FROM (SELECT max(coalesce(seen_at, clock_timestamp())) AS last_seen,
                   min(coalesce(seen_at, clock_timestamp())) AS first_seen
              FROM app.emag_changes
             WHERE kind = :kind AND (row_id IS NULL OR row_id IN (
                   SELECT row_id FROM app.emag_changes WHERE kind = :kind AND id <= :newest))
             GROUP BY row_id) AS resting
""")

_NEWEST = text("SELECT coalesce(max(id), 0) FROM app.emag_changes WHERE kind = :kind")

# A row in doubt only learns that more is wanted: what was sent has to be settled first. A row that
# names another order after something was sent about the first is a person's matter. Whether a row
# is known is asked by a scalar subquery, since EXISTS would be hashed from all of the books.
_QUEUE = """
    INSERT INTO {table} AS t ({erp_id}, platform, emag_order_id, account_type, sync_state,
        waiting_for, waiting_since, error_message, next_attempt_at, queued_at, wanted_revision,
        sync_attempts, created_at, updated_at)
    SELECT f.row_id, f.platform, f.order_id, f.account, f.state, f.waiting_for,
           CASE WHEN f.state = 'waiting' THEN clock_timestamp() END, f.reason,
           clock_timestamp() + CASE WHEN f.state = 'waiting'
               THEN make_interval(secs => :look_again) ELSE interval '0' END,
           clock_timestamp(), 1, 0,
           timezone('utc', clock_timestamp()), timezone('utc', clock_timestamp())
      FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS f(
           row_id bigint, order_id bigint, account text, platform text, state text,
           waiting_for text, reason text, admits boolean)
     WHERE f.admits OR (SELECT b.id FROM {table} b
                         WHERE b.{erp_id} = f.row_id AND NOT b.superseded LIMIT 1) IS NOT NULL
     ORDER BY f.row_id
    ON CONFLICT ({erp_id}) WHERE NOT superseded DO UPDATE SET
        sync_state = CASE WHEN {in_doubt} THEN t.sync_state WHEN {astray} THEN 'refused'
                          ELSE excluded.sync_state END,
        error_message = CASE WHEN {in_doubt} THEN t.error_message
            WHEN {astray} THEN 'A request about order ' || t.emag_order_id || ' was sent before the'
                ' row came to name another: check that order at eMAG, then replay the row.'
            ELSE excluded.error_message END,
        emag_order_id = CASE WHEN {in_doubt} THEN t.emag_order_id ELSE excluded.emag_order_id END,
        next_attempt_at = CASE WHEN {in_doubt} THEN t.next_attempt_at
                               ELSE excluded.next_attempt_at END,
        queued_at = CASE WHEN t.sync_state IN ('pending', 'waiting', 'in_doubt')
                         THEN coalesce(t.queued_at, excluded.queued_at) ELSE excluded.queued_at END,
        sent_at = CASE WHEN {in_doubt} OR NOT {moved} THEN t.sent_at END,
        reductions = CASE WHEN {in_doubt} OR NOT {moved} THEN t.reductions END,
        {emag_id} = CASE WHEN {in_doubt} OR NOT {moved} THEN t.{emag_id} END,
        wanted_revision = t.wanted_revision + 1, sync_attempts = 0,
        account_type = excluded.account_type, platform = excluded.platform,
        waiting_for = excluded.waiting_for, waiting_since = excluded.waiting_since,
        updated_at = timezone('utc', clock_timestamp())
    RETURNING t.{erp_id} AS row_id, t.account_type AS account, t.sync_state AS state,
              t.error_message AS reason
"""

_CONDITIONS = {
    "in_doubt": "t.sync_state = 'in_doubt'",
    "moved": "(t.emag_order_id IS NOT NULL"
    " AND t.emag_order_id IS DISTINCT FROM excluded.emag_order_id)",
    "astray": "(t.sent_at IS NOT NULL AND t.emag_order_id IS DISTINCT FROM excluded.emag_order_id)",
}

# A row of no account of ours is claimed by nobody, so that nothing would come of planning it again.
_NEVER_OURS = """
    UPDATE {table} t SET wanted_revision = t.wanted_revision + 1, waiting_for = NULL,
        waiting_since = NULL, updated_at = timezone('utc', clock_timestamp()),
        sync_state = CASE WHEN t.sent_at IS NULL THEN 'withdrawn' ELSE 'refused' END,
        error_message = CASE WHEN t.sent_at IS NOT NULL THEN 'The row was deleted after a request'
            ' about order ' || t.emag_order_id || ' was sent, and its account is not configured:'
            ' check that order at eMAG.' END
     WHERE t.sync_state = 'waiting' AND t.waiting_for = 'account' AND NOT t.superseded
       AND NOT EXISTS (SELECT 1 FROM app.{erp_table} r WHERE r.id = t.{erp_id})
"""

_MAKE_DUE = """
    UPDATE {table} t SET wanted_revision = t.wanted_revision + 1,
        sync_state = CASE WHEN t.sync_state = 'in_doubt' THEN t.sync_state ELSE 'pending' END,
        next_attempt_at = CASE WHEN t.sync_state = 'in_doubt' THEN t.next_attempt_at
                               ELSE clock_timestamp() END
     WHERE t.sync_state IN ('pending', 'waiting', 'in_doubt') AND NOT t.superseded
       AND NOT (t.sync_state = 'waiting' AND t.waiting_for = 'account')
"""

_MAKE_HISTORY = """
    UPDATE {table} SET superseded = true
     WHERE {erp_id} = ANY(:gone) AND sync_state IN ('synced', 'refused', 'withdrawn')
       AND NOT superseded
"""


@dataclass(frozen=True)
class Entry:
    """What folding writes about one ERP row; `admits` says whether a new row may be queued."""

    row_id: int
    order_id: int | None
    account: str | None
    platform: str | None
    state: State
    waiting_for: str | None
    reason: str | None
    admits: bool


@dataclass(frozen=True)
class Refusal:
    """A row that was refused before any plan; `account` is None where it names none of ours."""

    kind: Kind
    row_id: int
    account: str | None
    reason: str


@dataclass
class Folded:
    """What a folding did: how many changes were consumed, and the rows refused on the spot."""

    changes: int = 0
    refused: list[Refusal] = field(default_factory=list)


async def stamp(engine: AsyncEngine) -> None:
    """Note of every new change that it has now been seen."""
    async with autocommit(engine) as connection:
        await connection.execute(_STAMP)


async def newest_change(engine: AsyncEngine, kind: Kind) -> int:
    """The id of the newest change of this kind, 0 where there is none."""
    async with autocommit(engine) as connection:
        return int((await connection.execute(_NEWEST, {"kind": kind.value})).scalar_one())


async def seconds_to_rest(
    engine: AsyncEngine, kind: Kind, newest: int, timings: Timings
) -> float | None:
    """Seconds until all rows changed up to this change have rested; None where none is left."""
    async with autocommit(engine) as connection:
        answer = await connection.execute(
            _REST,
            {
                "kind": kind.value,
                "newest": newest,
                "quiet": timings.quiet,
                "quiet_cap": timings.quiet_cap,
            },
        )
        rest: float | None = answer.scalar_one()
        return rest


async def fold(
    engine: AsyncEngine,
    schema: ErpSchema,
    accounts: Mapping[str, Account],
    timings: Timings,
    *,
    require_approval: bool,
) -> Folded:
    """Queue every rested change, of all kinds and accounts."""
    await stamp(engine)
    folded = Folded(changes=await _fold_truncations(engine, timings))
    while True:
        async with engine.begin() as connection:
            taken = await _take_rested(connection, timings)
            for kind, ids in taken.items():
                folded.refused += await _fold_kind(
                    connection, schema, accounts, timings, kind, ids, require_approval
                )
            await reached(Point.FOLDING)
        await reached(Point.FOLDED)
        if not taken:
            return folded
        folded.changes += sum(len(ids) for ids in taken.values())


async def _fold_truncations(engine: AsyncEngine, timings: Timings) -> int:
    """Plan all open rows of a truncated table again."""
    async with engine.begin() as connection:
        taken = await connection.execute(_TAKE_TRUNCATIONS, {"quiet": timings.quiet})
        kinds = [Kind(row.kind) for row in taken]
        for kind in set(kinds):
            await connection.execute(text(_of(kind, _NEVER_OURS)))
            await connection.execute(text(_of(kind, _MAKE_DUE)))
    return len(kinds)


async def _take_rested(connection: AsyncConnection, timings: Timings) -> dict[Kind, set[int]]:
    rows = await connection.execute(
        _TAKE_RESTED,
        {"quiet": timings.quiet, "quiet_cap": timings.quiet_cap, "chunk": CHUNK},
    )
    taken: dict[Kind, set[int]] = defaultdict(set)
    for row in rows:
        taken[Kind(row.kind)].add(row.row_id)
    return taken


async def _fold_kind(
    connection: AsyncConnection,
    schema: ErpSchema,
    accounts: Mapping[str, Account],
    timings: Timings,
    kind: Kind,
    ids: Collection[int],
    require_approval: bool,
) -> list[Refusal]:
    entries = await entries_for(connection, schema, accounts, kind, ids, require_approval)
    refused = await write_entries(connection, kind, entries, timings)
    await _fold_deletions(connection, kind, set(ids) - {entry.row_id for entry in entries})
    return refused


async def entries_for(
    connection: AsyncConnection,
    schema: ErpSchema,
    accounts: Mapping[str, Account],
    kind: Kind,
    ids: Collection[int],
    require_approval: bool,
) -> list[Entry]:
    """What the books should say of these ERP rows before any plan, but for rows that are gone."""
    rows = await load_rows(connection, schema, kind, list(ids))
    unusable = [row_id for row_id, row in rows.items() if row.order_id == NO_ORDER]
    texts = await fetch_fields(connection, schema, kind, unusable) if unusable else {}
    return [
        _entry(row, accounts, queued(row, require_approval), order_text(kind, texts[row.id]))
        if row.id in texts
        else _entry(row, accounts, queued(row, require_approval), None)
        for row in rows.values()
    ]


def _entry(
    row: ErpRow, accounts: Mapping[str, Account], admits: bool, unusable: str | None
) -> Entry:
    name = own_account(row.account, accounts)
    account = accounts.get(name)
    platform = account.platform if account else None
    stored = (name or row.account)[:10] or None
    if row.order_id == NO_ORDER:
        reason = (
            f"The number '{(unusable or '')[:40]}' is no eMAG order number:"
            " put a number from 1 to 4294967295 into emag_order_id."
        )
        return Entry(row.id, None, stored, platform, State.REFUSED, None, reason, admits)
    if account is None:
        reason = (
            f"No account named '{row.account[:40]}' is configured:"
            " correct account_type or add the account."
        )
        return Entry(row.id, row.order_id, stored, None, State.WAITING, "account", reason, admits)
    return Entry(row.id, row.order_id, stored, platform, State.PENDING, None, None, admits)


def own_account(name: str, accounts: Mapping[str, Account]) -> str:
    """The configured account a row belongs to; a row that names none belongs to the only one."""
    if not name and len(accounts) == 1:
        return next(iter(accounts))
    return name


async def write_entries(
    connection: AsyncConnection, kind: Kind, entries: Collection[Entry], timings: Timings
) -> list[Refusal]:
    """Raise the wanted revision of these rows and make them due, queueing the new ones.

    Returns those that no plan is needed for to refuse them.
    """
    if not entries:
        return []
    books = BOOKS[kind]
    query = _QUEUE.format(
        table=books.name, erp_id=books.erp_id, emag_id=books.emag_id, **_CONDITIONS
    )
    queued_rows = await connection.execute(
        text(query),
        {
            "entries": json.dumps([asdict(entry) for entry in entries]),
            "look_again": timings.look_again,
        },
    )
    return [
        Refusal(kind, row.row_id, row.account, row.reason)
        for row in queued_rows
        if row.state == State.REFUSED
    ]


async def _fold_deletions(connection: AsyncConnection, kind: Kind, gone: Collection[int]) -> None:
    """An open row whose ERP row was deleted is planned again; a settled one is history."""
    if not gone:
        return
    for statement in (_NEVER_OURS, _MAKE_DUE):
        those = text(f"{_of(kind, statement)} AND t.{BOOKS[kind].erp_id} = ANY(:gone)")
        await connection.execute(those, {"gone": sorted(gone)})
    await connection.execute(text(_of(kind, _MAKE_HISTORY)), {"gone": sorted(gone)})


def _of(kind: Kind, statement: str) -> str:
    books = BOOKS[kind]
    return statement.format(table=books.name, erp_id=books.erp_id, erp_table=ERP_TABLES[kind].name)
