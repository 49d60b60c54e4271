"""The mirror of eMAG's returns: what was last seen of each, and what the ERP is still owed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

import orjson

from integrations.ledger.database import autocommit, storable
from integrations.ledger.engine import Engine
from integrations.ledger.timings import Timings

# What a status that can't be read is mirrored as.
UNREADABLE = -1

NEXT_LOOK = """
    (SELECT look FROM (SELECT {1} + greatest(interval '6 h', ({1} - {0}) / 4) AS look) AS looks
      WHERE look < {0} + interval '45 d')"""
"""When a refund that is awaited since {0} is looked for again after {1}; null: never."""

# An older read never overwrites a newer one. What is rested because the ERP could not take it is
# due when it changes. A refund is awaited since the return was first seen as it is, or since it was
# placed where it was closed before anybody saw it. Rows are taken in order, so that two runs never
# wait for each other.
_SEE = f"""
    WITH seen AS (
        SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS s(
            emag_id bigint, type smallint, order_id bigint, status smallint,
            placed_at timestamptz, finalize_by date, digest text, awaits_refund boolean)
         ORDER BY emag_id),
    before AS (
        SELECT r.emag_id, r.digest, r.owed FROM app.emag_returns r JOIN seen s USING (emag_id)
         WHERE r.platform = :platform)
    INSERT INTO app.emag_returns AS r (platform, emag_id, account, type, order_id, status,
        placed_at, finalize_by, digest, read_at, changed_at, refund_since, refund_at)
    SELECT :platform, s.emag_id, :account, s.type, s.order_id, s.status, s.placed_at,
           s.finalize_by, s.digest, s.read_at, clock_timestamp(), s.since,
           {NEXT_LOOK.format("s.since", "s.read_at")}
      FROM (SELECT seen.*, CAST(:read_at AS timestamptz) AS read_at,
                   CASE WHEN awaits_refund THEN least(placed_at, :read_at) END AS since
              FROM seen) s
     ORDER BY s.emag_id
    ON CONFLICT (platform, emag_id) DO UPDATE SET
        account = excluded.account, type = excluded.type, order_id = excluded.order_id,
        status = excluded.status, placed_at = coalesce(excluded.placed_at, r.placed_at),
        finalize_by = coalesce(excluded.finalize_by, r.finalize_by),
        refund_since = CASE
            WHEN excluded.refund_since IS NULL THEN NULL
            WHEN r.digest = excluded.digest THEN coalesce(r.refund_since, excluded.read_at)
            ELSE excluded.read_at END,
        refund_at = CASE
            WHEN excluded.refund_since IS NULL THEN NULL
            WHEN r.digest = excluded.digest AND r.refund_since IS NOT NULL
            THEN {NEXT_LOOK.format("r.refund_since", "excluded.read_at")}
            ELSE {NEXT_LOOK.format("excluded.read_at", "excluded.read_at")} END,
        digest = excluded.digest, read_at = excluded.read_at,
        changed_at = CASE WHEN r.digest = excluded.digest THEN r.changed_at
                          ELSE excluded.changed_at END,
        owed = r.owed OR r.digest <> excluded.digest,
        problem = CASE WHEN r.digest = excluded.digest THEN r.problem END,
        attempts = CASE WHEN r.digest = excluded.digest THEN r.attempts ELSE 0 END,
        next_at = CASE WHEN r.digest = excluded.digest THEN r.next_at ELSE clock_timestamp() END
     WHERE r.read_at <= excluded.read_at
    RETURNING r.emag_id,
              r.digest IS DISTINCT FROM (SELECT b.digest FROM before b
                                          WHERE b.emag_id = r.emag_id) AS changed,
              r.owed AND r.next_at <= clock_timestamp() AS due, r.attempts, r.changed_at
"""

_SETTLE = """
    UPDATE app.emag_returns r SET owed = s.owed, problem = s.problem,
           attempts = CASE WHEN s.problem IS NULL THEN 0 ELSE r.attempts + 1 END,
           next_at = clock_timestamp() + make_interval(secs => s.delay)
      FROM (SELECT s.*
              FROM jsonb_to_recordset(CAST(:settled AS jsonb)) AS s(
                   emag_id bigint, digest text, owed boolean, problem text, delay float8)
              JOIN app.emag_returns m ON m.platform = :platform AND m.emag_id = s.emag_id
             WHERE m.digest = s.digest AND m.owed
             ORDER BY m.emag_id FOR UPDATE OF m) s
     WHERE r.platform = :platform AND r.emag_id = s.emag_id
"""

# What is owed may have left the listings, however it was seen last.
_OPEN = """
    SELECT type, status, count(*) AS rows FROM app.emag_returns
     WHERE platform = :platform AND account = :account AND status IN (1, 2, 3, 6) AND NOT owed
     GROUP BY type, status
"""

_OWE = """
    UPDATE app.emag_returns SET owed = true, next_at = clock_timestamp()
     WHERE platform = :platform AND emag_id = ANY(CAST(:ids AS bigint[]))
    RETURNING emag_id
"""

_OWE_MISSING = """
    UPDATE app.emag_returns SET owed = true, next_at = clock_timestamp()
     WHERE (platform, emag_id) IN (
           SELECT platform, emag_id FROM app.emag_returns
            WHERE platform = :platform AND account = :account
              AND type = ANY(CAST(:types AS smallint[])) AND status IN (1, 2, 3, 6)
              AND read_at < :since AND NOT owed
            ORDER BY emag_id FOR UPDATE)
    RETURNING emag_id
"""

_DUE = """
    SELECT emag_id, type FROM app.emag_returns
     WHERE platform = :platform AND account = :account AND owed
       AND next_at <= clock_timestamp() AND read_at < :since
     ORDER BY next_at, emag_id LIMIT :most
"""

_REST = """
    UPDATE app.emag_returns SET problem = :problem, attempts = attempts + 1,
           next_at = clock_timestamp()
               + make_interval(secs => least(:most, :first * power(2, least(attempts, 20))))
     WHERE platform = :platform AND emag_id = :emag_id AND owed
"""


@dataclass(frozen=True, slots=True)
class Sight:
    """A return as a read showed it.

    Attributes:
        digest: differs when the ERP is to be told otherwise.
        awaits_refund: it is closed and eMAG is expected to pay its customer back.
    """

    emag_id: int
    type: int
    order_id: int | None
    status: int
    placed_at: datetime | None
    finalize_by: date | None
    digest: str
    awaits_refund: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A mirrored return that is to be brought in.

    Attributes:
        changed: it is new, or other than it was when it was last read.
        attempts: how often the ERP could not take it.
        since: when it was first seen as it is now.
    """

    emag_id: int
    changed: bool
    attempts: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Owed:
    """A mirrored return that is to be read again, and its type."""

    emag_id: int
    type: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one: owed no more, or owed and looked at again after `delay` seconds."""

    emag_id: int
    digest: str
    owed: bool
    problem: str | None = None
    delay: float = 0.0


async def see_returns(
    engine: Engine, platform: str, account: str, read_at: datetime, sights: Sequence[Sight]
) -> dict[int, Seen]:
    """Store a page in one statement; what the ERP is owed of it and is due, by number."""
    if not sights:
        return {}
    rows = orjson.dumps([asdict(sight) for sight in sights]).decode()
    async with autocommit(engine) as connection:
        stored = await connection.execute(
            _SEE, {"platform": platform, "account": account, "read_at": read_at, "rows": rows}
        )
        return {
            row.emag_id: Seen(row.emag_id, row.changed, row.attempts, row.changed_at)
            for row in stored
            if row.due
        }


async def settle_returns(engine: Engine, platform: str, settled: Sequence[Settled]) -> None:
    """Note what became of returns, unless eMAG was seen to have changed them meanwhile."""
    if not settled:
        return
    rows = [
        asdict(each) | {"problem": None if each.problem is None else storable(each.problem)}
        for each in settled
    ]
    async with autocommit(engine) as connection:
        await connection.execute(
            _SETTLE, {"platform": platform, "settled": orjson.dumps(rows).decode()}
        )


async def open_returns(engine: Engine, platform: str, account: str) -> dict[tuple[int, int], int]:
    """How many returns were open when they were last read, by type and status."""
    asked = {"platform": platform, "account": account}
    async with autocommit(engine) as connection:
        found = await connection.execute(_OPEN, asked)
        return {(row.type, row.status): row.rows for row in found}


async def owe(engine: Engine, platform: str, ids: Collection[int]) -> int:
    """Have these returns read again by the next run; how many of them are mirrored."""
    async with autocommit(engine) as connection:
        owed = await connection.execute(_OWE, {"platform": platform, "ids": sorted(ids)})
        return len(owed.rows)


async def owe_missing(
    engine: Engine, platform: str, account: str, types: Collection[int], since: datetime
) -> int:
    """Owe what was open and has not been read since then; how many.

    What is owed already keeps its time: it may be resting.
    """
    missing = {"platform": platform, "account": account, "types": sorted(types), "since": since}
    async with autocommit(engine) as connection:
        return len((await connection.execute(_OWE_MISSING, missing)).rows)


async def owed_due(
    engine: Engine, platform: str, account: str, since: datetime, most: int
) -> list[Owed]:
    """What is owed and due and has not been read since then, the longest waiting first."""
    due = {"platform": platform, "account": account, "since": since, "most": most}
    async with autocommit(engine) as connection:
        return [Owed(row.emag_id, row.type) for row in await connection.execute(_DUE, due)]


async def rest_return(
    engine: Engine, platform: str, emag_id: int, problem: str, timings: Timings
) -> None:
    """Note why a return could not be read; it is read again after a growing pause."""
    rested = {
        "platform": platform,
        "emag_id": emag_id,
        "problem": storable(problem),
        "first": timings.backoff_first,
        "most": timings.backoff_most,
    }
    async with autocommit(engine) as connection:
        await connection.execute(_REST, rested)
