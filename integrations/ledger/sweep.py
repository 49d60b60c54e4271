"""A daily look at the newest ERP rows for changes that no trigger captured.

A disabled trigger, a replica role or a truncated partition can let a change through. What was
settled is compared by digest with the row as it is now; the bound keeps the look short however long
history is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from integrations.erp.connection import Connection
from integrations.erp.digest import digest
from integrations.erp.load import load_rows
from integrations.erp.rows import ErpRow, Kind, queued
from integrations.erp.schema import ErpSchema
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine

log = logging.getLogger("emag.sweep")

NEWEST = 10_000
CHUNK = 2_000
RESOURCE = "sweep"

# Whoever moves the cursor sweeps; the first sweep only notes which rows were there before.
_TAKE_TURN = """
    INSERT INTO app.emag_cursors AS c (account, resource, position, detail)
    VALUES ('', :resource, clock_timestamp(), CAST(:first AS jsonb))
    ON CONFLICT (account, resource) DO UPDATE SET position = clock_timestamp()
     WHERE c.position < clock_timestamp() - interval '1 day'
    RETURNING detail
"""

_NOTE = """
    UPDATE app.emag_cursors SET detail = detail || CAST(:found AS jsonb),
           updated_at = clock_timestamp()
     WHERE account = '' AND resource = :resource
"""

_LAST = """
    SELECT position, coalesce((detail->>'found')::bigint, 0) AS found
      FROM app.emag_cursors WHERE account = '' AND resource = :resource
"""

_SETTLED = """
    SELECT {erp_id} AS row_id, {emag_id} AS emag_id, erp_digest,
           sync_state IN ('synced', 'refused', 'withdrawn') AS settled
      FROM {table} WHERE {erp_id} = ANY(:ids) AND NOT superseded
"""

_APPEND = """
    INSERT INTO app.emag_changes (kind, row_id)
    SELECT :kind, missed FROM unnest(CAST(:ids AS bigint[])) AS missed
     WHERE NOT EXISTS (SELECT FROM app.emag_changes c WHERE c.kind = :kind AND c.row_id = missed)
"""


@dataclass(frozen=True)
class Sweep:
    """The last sweep: when it was, and how many changes it found that no trigger had captured."""

    at: datetime
    found: int


async def last_sweep(engine: Engine) -> Sweep | None:
    """The last sweep, None before the first."""
    async with autocommit(engine) as connection:
        row = (await connection.execute(_LAST, {"resource": RESOURCE})).first()
    return Sweep(row.position, row.found) if row else None


async def sweep(engine: Engine, schema: ErpSchema, *, require_approval: bool) -> int:
    """Once a day, queue what capture missed among the newest rows; how many rows that were."""
    async with autocommit(engine) as connection:
        newest = {kind.value: await _newest(connection, kind) for kind in Kind}
        first = orjson.dumps({"before": newest}).decode()
        turn = (
            await connection.execute(_TAKE_TURN, {"resource": RESOURCE, "first": first})
        ).first()
        if turn is None:
            return 0
        found = 0
        for kind in Kind:
            before = turn.detail["before"][kind.value]
            for ids in _chunks(max(0, newest[kind.value] - NEWEST), newest[kind.value]):
                rows = await load_rows(connection, schema, kind, ids)
                missed = await _missed(connection, kind, rows, before, require_approval)
                found += await _append(connection, kind, missed)
        await connection.execute(
            _NOTE, {"resource": RESOURCE, "found": orjson.dumps({"found": found}).decode()}
        )
    if found:
        log.warning("%s changes had not been captured: see `emag-flows db check`", found)
    return found


async def _newest(connection: Connection, kind: Kind) -> int:
    query = f"SELECT coalesce(max(id), 0) FROM app.{ERP_TABLES[kind].name}"
    return int((await connection.execute(query)).scalar_one())


def _chunks(after: int, last: int) -> Iterator[list[int]]:
    for begin in range(after + 1, last + 1, CHUNK):
        yield list(range(begin, min(begin + CHUNK, last + 1)))


async def _missed(
    connection: Connection,
    kind: Kind,
    rows: Mapping[int, ErpRow],
    before: int,
    require_approval: bool,
) -> list[int]:
    """Rows that changed since they were settled, and newer ones that were never queued."""
    books = BOOKS[kind]
    query = _SETTLED.format(erp_id=books.erp_id, emag_id=books.emag_id, table=books.name)
    known = {row.row_id: row for row in await connection.execute(query, {"ids": list(rows)})}
    return [
        row_id
        for row_id, row in rows.items()
        if (
            _has_slipped_through(known[row_id], row)
            if row_id in known
            else row_id > before and queued(row, require_approval)
        )
    ]


def _has_slipped_through(known: Any, row: ErpRow) -> bool:
    return known.settled and known.erp_digest not in (None, digest(row, known.emag_id))


async def _append(connection: Connection, kind: Kind, ids: Sequence[int]) -> int:
    if not ids:
        return 0
    appended = await connection.execute(_APPEND, {"kind": kind.value, "ids": list(ids)})
    return appended.rowcount
