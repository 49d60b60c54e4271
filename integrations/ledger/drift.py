"""How eMAG's answers differ from what is known of them: new fields, and values of another type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from integrations.erp.connection import Connection
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine

_COLUMNS = "platform, route, name, what, value, seen, first_at, last_at"

# Names kept of a route: an answer whose fields are named by its data must not fill the table.
MOST_OF_A_ROUTE = 500

# In the order of their names, so that two runs that meet the same fields can't wait for each other.
_NOTE = f"""
    INSERT INTO app.emag_drift AS d (platform, route, name, what, value, seen)
    SELECT :platform, :route, n.name, :what, :value, n.seen
      FROM unnest(CAST(:names AS text[]), CAST(:seen AS bigint[])) AS n (name, seen)
     WHERE EXISTS (SELECT FROM app.emag_drift k
                    WHERE k.platform = :platform AND k.route = :route AND k.name = n.name
                      AND k.what = :what)
        OR (SELECT count(*) FROM app.emag_drift k
             WHERE k.platform = :platform AND k.route = :route) < :most
     ORDER BY n.name
    ON CONFLICT (platform, route, name, what) DO UPDATE
       SET seen = d.seen + excluded.seen, value = excluded.value, last_at = clock_timestamp()
    RETURNING {_COLUMNS}, xmax = 0 AS is_new
"""

_SHOW = f"""
    UPDATE app.emag_drift SET shown_at = clock_timestamp()
     WHERE shown_at IS NULL AND platform = ANY(:platforms)
    RETURNING {_COLUMNS}
"""

_LATELY = f"""
    SELECT {_COLUMNS} FROM app.emag_drift
     WHERE platform = ANY(:platforms)
       AND first_at > clock_timestamp() - make_interval(days => :days)
     ORDER BY first_at DESC, route, name
"""


class What(StrEnum):
    """In what way an answer differed."""

    UNKNOWN = "unknown"
    TYPE = "type"


@dataclass(frozen=True)
class Drift:
    """A field that eMAG sends and nobody knows, or one whose value can't be read.

    `value` says what came instead in words that name no customer; of unknown fields none is kept.
    """

    platform: str
    route: str
    name: str
    what: What
    value: str | None
    seen: int
    first_at: datetime
    last_at: datetime

    def __str__(self) -> str:
        if self.what is What.UNKNOWN:
            return f"{self.route} sends a field that is not known here: {self.name}"
        return f"{self.route} sends {self.name} as {self.value}, which can't be read"


async def note_drift(
    engine: Engine,
    platform: str,
    route: str,
    what: What,
    names: Mapping[str, int],
    value: str | None = None,
) -> list[Drift]:
    """Count these fields, each met so many times; those that were never met before.

    Beyond MOST_OF_A_ROUTE of a route no new ones are kept.
    """
    values = {
        "platform": platform,
        "route": route,
        "what": what.value,
        "value": value,
        "names": list(names),
        "most": MOST_OF_A_ROUTE,
        "seen": list(names.values()),
    }
    async with autocommit(engine) as connection:
        rows = (await connection.execute(_NOTE, values)).rows
    return [_drift(row) for row in rows if row.is_new]


async def take_unshown(connection: Connection, platforms: Sequence[str]) -> list[Drift]:
    """What no run has shown yet; from now on it counts as shown."""
    rows = (await connection.execute(_SHOW, {"platforms": list(platforms)})).rows
    return sorted(map(_drift, rows), key=lambda each: (each.first_at, each.route, each.name))


async def lately_met(connection: Connection, platforms: Sequence[str], days: int) -> list[Drift]:
    """What was first met within so many days, the newest first."""
    rows = (await connection.execute(_LATELY, {"platforms": list(platforms), "days": days})).rows
    return list(map(_drift, rows))


def _drift(row: Any) -> Drift:
    return Drift(
        platform=row.platform,
        route=row.route,
        name=row.name,
        what=What(row.what),
        value=row.value,
        seen=row.seen,
        first_at=row.first_at,
        last_at=row.last_at,
    )
