"""From captured changes to queued rows.

A change is stamped when a run first sees it. Once its row has rested, the change is deleted and
folded into the row's integration row in one transaction: consumption by deletion, so that a long
ERP transaction loses nothing however late it commits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import psycopg

from integrations.emag.accounts import Account
from integrations.erp.connection import Connection
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit, transaction
from integrations.ledger.engine import Engine
from integrations.ledger.points import Point, reached
from integrations.ledger.queueing import Refusal, entries_for, write_entries
from integrations.ledger.timings import Timings
from integrations.ledger.unfit import is_about_values, refuse_unfit

CHUNK = 2000

Work = Callable[[Collection[int]], Awaitable[list[Refusal]]]

# An ERP whose tables are views notes its changes itself, and may write anything there.
KINDS = [kind.value for kind in Kind]

# One that was seen later than now was seen before the database's clock was set back.
_STAMP = """
    UPDATE app.emag_changes SET seen_at = clock_timestamp()
     WHERE id IN (SELECT id FROM app.emag_changes
                   WHERE seen_at IS NULL OR seen_at > clock_timestamp()
                   ORDER BY id FOR UPDATE SKIP LOCKED)
"""

_TAKE_RESTED = """
    WITH rested AS (
        SELECT kind, row_id FROM app.emag_changes
         WHERE row_id IS NOT NULL AND kind = ANY(CAST(:kinds AS text[]))
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
"""

_TAKE_TRUNCATIONS = """
    DELETE FROM app.emag_changes
     WHERE row_id IS NULL AND kind = ANY(CAST(:kinds AS text[]))
       AND seen_at <= clock_timestamp() - make_interval(secs => :quiet)
    RETURNING kind
"""

_REST = """
    SELECT max(extract(epoch FROM
               least(last_seen + make_interval(secs => :quiet),
                     first_seen + make_interval(secs => :quiet_cap)) - clock_timestamp()))::float8
      FROM (SELECT max(coalesce(seen_at, clock_timestamp())) AS last_seen,
                   min(coalesce(seen_at, clock_timestamp())) AS first_seen
              FROM app.emag_changes
             WHERE kind = :kind AND (row_id IS NULL OR row_id IN (
                   SELECT row_id FROM app.emag_changes WHERE kind = :kind AND id <= :newest))
             GROUP BY row_id) AS resting
"""

_NEWEST = "SELECT coalesce(max(id), 0) FROM app.emag_changes WHERE kind = :kind"

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
    UPDATE {table} t SET superseded = true
     WHERE t.sync_state IN ('synced', 'refused', 'withdrawn') AND NOT t.superseded
       AND NOT EXISTS (SELECT 1 FROM app.{erp_table} r WHERE r.id = t.{erp_id})
"""


@dataclass
class Folded:
    """What a folding did: how many changes were consumed, and the rows refused on the spot."""

    changes: int = 0
    refused: list[Refusal] = field(default_factory=list)


async def stamp(engine: Engine) -> None:
    """Note of every new change that it has now been seen."""
    async with autocommit(engine) as connection:
        await connection.execute(_STAMP)


async def newest_change(engine: Engine, kind: Kind) -> int:
    """The id of the newest change of this kind, 0 where there is none."""
    async with autocommit(engine) as connection:
        return int((await connection.execute(_NEWEST, {"kind": kind.value})).scalar_one())


async def seconds_to_rest(
    engine: Engine, kind: Kind, newest: int, timings: Timings
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
    engine: Engine,
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
        async with transaction(engine) as connection:
            taken = await _take_rested(connection, timings)
            for kind, ids in taken.items():
                work = partial(
                    _fold_kind,
                    connection,
                    schema,
                    accounts,
                    timings,
                    kind,
                    require_approval=require_approval,
                )
                folded.refused += await _fold_all_but_bad(connection, kind, sorted(ids), work)
            await reached(Point.FOLDING)
        await reached(Point.FOLDED)
        if not taken:
            return folded
        folded.changes += sum(len(ids) for ids in taken.values())


async def _fold_truncations(engine: Engine, timings: Timings) -> int:
    """Plan all open rows of a truncated table again; of the settled ones those gone are history."""
    async with transaction(engine) as connection:
        values = {"quiet": timings.quiet, "kinds": KINDS}
        taken = await connection.execute(_TAKE_TRUNCATIONS, values)
        kinds = [Kind(row.kind) for row in taken]
        for kind in set(kinds):
            await connection.execute(_of(kind, _NEVER_OURS))
            await connection.execute(_of(kind, _MAKE_DUE))
            await connection.execute(_of(kind, _MAKE_HISTORY))
    return len(kinds)


async def _take_rested(connection: Connection, timings: Timings) -> dict[Kind, set[int]]:
    rows = await connection.execute(
        _TAKE_RESTED,
        {
            "quiet": timings.quiet,
            "quiet_cap": timings.quiet_cap,
            "chunk": CHUNK,
            "kinds": KINDS,
        },
    )
    taken: dict[Kind, set[int]] = defaultdict(set)
    for row in rows:
        taken[Kind(row.kind)].add(row.row_id)
    return taken


async def _fold_all_but_bad(
    connection: Connection, kind: Kind, ids: Sequence[int], work: Work
) -> list[Refusal]:
    """Fold these rows; one that our books can't hold is refused alone, found by halving."""
    try:
        async with connection.savepoint():
            return await work(ids)
    except psycopg.Error as error:
        if not is_about_values(error):
            raise
        if len(ids) == 1:
            return await refuse_unfit(connection, kind, ids[0], error)
    half = len(ids) // 2
    return [
        *await _fold_all_but_bad(connection, kind, ids[:half], work),
        *await _fold_all_but_bad(connection, kind, ids[half:], work),
    ]


async def _fold_kind(
    connection: Connection,
    schema: ErpSchema,
    accounts: Mapping[str, Account],
    timings: Timings,
    kind: Kind,
    ids: Collection[int],
    *,
    require_approval: bool,
) -> list[Refusal]:
    entries = await entries_for(connection, schema, accounts, kind, ids, require_approval)
    refused = await write_entries(connection, kind, entries, timings)
    await _fold_deletions(connection, kind, set(ids) - {entry.row_id for entry in entries})
    return refused


async def _fold_deletions(connection: Connection, kind: Kind, gone: Collection[int]) -> None:
    """An open row whose ERP row was deleted is planned again; a settled one is history."""
    if not gone:
        return
    for statement in (_NEVER_OURS, _MAKE_DUE, _MAKE_HISTORY):
        those = f"{_of(kind, statement)} AND t.{BOOKS[kind].erp_id} = ANY(:gone)"
        await connection.execute(those, {"gone": sorted(gone)})


def _of(kind: Kind, statement: str) -> str:
    books = BOOKS[kind]
    return statement.format(table=books.name, erp_id=books.erp_id, erp_table=ERP_TABLES[kind].name)
