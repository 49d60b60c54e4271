"""Orders and returns without a usable number: each is looked for again until it has one.

What they are is at eMAG; here is when they were placed, by which they are found there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import orjson

from integrations.emag.unnumbered import Unnumbered
from integrations.ledger.database import autocommit
from integrations.ledger.differences import STALE_DAYS, About
from integrations.ledger.engine import Engine
from integrations.ledger.timings import Timings

# Rows are taken in order, so that two runs never wait for each other.
_NOTE = """
    INSERT INTO app.emag_unnumbered AS u (platform, account, entity, key, shown, type, placed_at,
           order_id, problem, seen_at, next_at)
    SELECT DISTINCT ON (r.key) :platform, :account, :entity, r.key, r.shown,
           coalesce(r.type, :type), r.placed_at, r.order_id,
           r.problem, CAST(:read_at AS timestamptz),
           clock_timestamp() + make_interval(secs => :pause)
      FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(key text, shown text, type smallint,
           placed_at timestamptz, order_id bigint, problem text)
     ORDER BY r.key
    ON CONFLICT (platform, account, entity, key) DO UPDATE
       SET seen_at = greatest(u.seen_at, excluded.seen_at)
    RETURNING key, xmax = 0 AS is_new
"""

# One of which nobody knows when it was placed can't be asked for: it is kept as long as a
# difference that nobody looks at any more.
_DUE = """
    WITH stale AS (
        DELETE FROM app.emag_unnumbered
         WHERE platform = :platform AND account = :account AND entity = :entity
           AND placed_at IS NULL
           AND seen_at < clock_timestamp() - make_interval(days => :stale))
    SELECT type, placed_at FROM app.emag_unnumbered
     WHERE platform = :platform AND account = :account AND entity = :entity
       AND placed_at IS NOT NULL AND next_at <= clock_timestamp()
     ORDER BY next_at, key LIMIT :most
"""

_WITHIN = """platform = :platform AND account = :account AND entity = :entity
       AND type = :type AND placed_at BETWEEN :after AND :before"""

_FORGET = f"DELETE FROM app.emag_unnumbered WHERE {_WITHIN} AND seen_at < :began"

_REST = f"""
    UPDATE app.emag_unnumbered SET attempts = attempts + 1, next_at = clock_timestamp()
           + make_interval(secs => least(:most, :first * power(2, least(attempts, 20))))
     WHERE {_WITHIN}
    RETURNING problem
"""


@dataclass(frozen=True, slots=True)
class Whose:
    """Orders or returns that an account's listings show."""

    about: About
    platform: str
    account: str

    def values(self) -> dict[str, object]:
        return {"entity": self.about.value, "platform": self.platform, "account": self.account}


@dataclass(frozen=True, slots=True)
class Sought:
    """Something to look for among eMAG's rows of a type that were placed then."""

    type: int
    placed_at: datetime


async def note(
    engine: Engine,
    whose: Whose,
    rows: Sequence[Unnumbered],
    usual_type: int,
    read_at: datetime,
    timings: Timings,
) -> set[str]:
    """Keep what a read has shown; the keys of those that nobody knew of."""
    values = {
        **whose.values(),
        "type": usual_type,
        "read_at": read_at,
        "pause": timings.backoff_first,
        "rows": orjson.dumps([asdict(each) for each in rows]).decode(),
    }
    async with autocommit(engine) as connection:
        return {row.key for row in await connection.execute(_NOTE, values) if row.is_new}


async def due(engine: Engine, whose: Whose, most: int) -> list[Sought]:
    """What it is time to look for, the longest waiting first."""
    values = {**whose.values(), "stale": STALE_DAYS, "most": most}
    async with autocommit(engine) as connection:
        return [Sought(row.type, row.placed_at) for row in await connection.execute(_DUE, values)]


async def forget(
    engine: Engine,
    whose: Whose,
    kind: int,
    window: tuple[datetime, datetime],
    began: datetime,
) -> None:
    """Forget what a reading of all that was placed in the window has not shown since it began."""
    async with autocommit(engine) as connection:
        await connection.execute(
            _FORGET, {**whose.values(), **_within(kind, window), "began": began}
        )


async def rest(
    engine: Engine,
    whose: Whose,
    kind: int,
    window: tuple[datetime, datetime],
    timings: Timings,
) -> list[str]:
    """Look again after a growing pause for what is left of a window; why it is, in words."""
    values = {
        **whose.values(),
        **_within(kind, window),
        "first": timings.backoff_first,
        "most": timings.backoff_most,
    }
    async with autocommit(engine) as connection:
        return [row.problem for row in await connection.execute(_REST, values)]


def _within(kind: int, window: tuple[datetime, datetime]) -> dict[str, object]:
    return {"type": kind, "after": window[0], "before": window[1]}
