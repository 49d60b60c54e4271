"""How long things are kept: old days of the call record, settled alarms, idempotency keys.

Days of the call record are dropped whole, one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from psycopg.errors import LockNotAvailable

from integrations.erp.connection import Connection
from integrations.ledger.alarms import forget_settled
from integrations.ledger.database import autocommit
from integrations.ledger.differences import STALE_DAYS
from integrations.ledger.engine import Engine
from integrations.ledger.untold import forget_told

# eMAG asks sellers to keep what they sent and received for as long (API facts: Response envelope).
LEAST_DAYS = 30

# Days that are made ahead, so that calls can be recorded even if nothing runs for as long.
DAYS_AHEAD = 14

# Seconds between attempts to drop a day that somebody reads or writes at that moment.
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)

_PREPARE = "SELECT app.emag_prepare_calls(:days)"
_DROP = "SELECT app.emag_drop_calls(:days)"
_OLD = """
    SELECT old.day, old.bytes,
           (SELECT count(*) FROM app.emag_api_calls c
             WHERE c.sent_at >= old.day::timestamp AT TIME ZONE 'UTC'
               AND c.sent_at < (old.day + 1)::timestamp AT TIME ZONE 'UTC') AS calls
      FROM app.emag_old_calls(:days) AS old
"""

# Deleted in one statement; who holds a key at that moment keeps it.
_FORGET_KEYS = """
    DELETE FROM app.emag_idempotency_keys WHERE key IN (
        SELECT key FROM app.emag_idempotency_keys
         WHERE made_at < clock_timestamp() - make_interval(days => :days)
         ORDER BY made_at LIMIT 10000 FOR UPDATE SKIP LOCKED)
"""

# Of accounts that nobody reconciles any more; the others' are forgotten by their reconciliations.
_FORGET_DIFFERENCES = """
    DELETE FROM app.emag_differences
     WHERE last_seen_at < clock_timestamp() - make_interval(days => :days)
"""


class CallsInUseError(Exception):
    """A day of the call record could not be dropped now; nothing of it is lost."""


@dataclass(frozen=True)
class Day:
    """A day (UTC) of the call record: how many calls it holds, and its size in bytes."""

    day: date
    calls: int
    bytes: int


@dataclass(frozen=True)
class Forgotten:
    """How much was deleted beside old calls; `alarms` about deadlines and about rows."""

    alarms: int = 0
    keys: int = 0
    differences: int = 0


async def forget_old(engine: Engine, days: int) -> Forgotten:
    """Delete what has been settled for so many days, and would come to nothing new.

    A request with an idempotency key that old is done anew.
    """
    alarms = await forget_settled(engine, days) + await forget_told(engine, days)
    keys = 0
    async with autocommit(engine) as connection:
        while gone := (await connection.execute(_FORGET_KEYS, {"days": days})).rowcount:
            keys += gone
        stale = {"days": max(days, STALE_DAYS)}
        differences = (await connection.execute(_FORGET_DIFFERENCES, stale)).rowcount
    return Forgotten(alarms, keys, differences)


async def prepare_days(engine: Engine) -> None:
    """Make the coming days, so that calls of them can be recorded."""
    async with autocommit(engine) as connection:
        await connection.execute(_PREPARE, {"days": DAYS_AHEAD})


async def old_days(engine: Engine, days: int) -> list[Day]:
    """The days, oldest first, whose every call is older than this many days."""
    async with autocommit(engine) as connection:
        return [Day(**row._asdict()) for row in await connection.execute(_OLD, {"days": days})]


async def drop_old_days(
    engine: Engine, days: int, pauses: Sequence[float] = PAUSES
) -> AsyncIterator[date]:
    """Drop them one by one, each as it is dropped; workers may go on recording meanwhile.

    The role needs no ownership, only the right to record calls.

    Raises:
        CallsInUseError: somebody held the record for longer than all pauses together.
    """
    async with autocommit(engine) as connection:
        while (day := await _drop_oldest(connection, days, pauses)) is not None:
            yield day


async def _drop_oldest(connection: Connection, days: int, pauses: Sequence[float]) -> date | None:
    for pause in pauses:
        with suppress(LockNotAvailable):
            return await _drop(connection, days)
        await asyncio.sleep(pause)
    raise CallsInUseError(
        "the call record is read or written by a long transaction (see pg_stat_activity), so an"
        " old day of it stays: run it again when that has ended"
    )


async def _drop(connection: Connection, days: int) -> date | None:
    dropped: date | None = (await connection.execute(_DROP, {"days": days})).scalar_one()
    return dropped
