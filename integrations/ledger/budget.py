"""The request budget: one row per login and bucket, shared by every process that uses the database.

A caller reserves the next free instant and sleeps until then, so requests leave evenly spaced and
never in bursts. Reservations commit on their own, so nobody queues behind a row's transaction.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import NoReturn

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.emag.accounts import Account, rate
from integrations.emag.routes import Route
from integrations.ledger.line import line

# eMAG counts arrivals, not departures: a little distance keeps jitter on the way inside the limit.
HEADROOM = 1.03

# In one statement: a missing row is made, a slot too far away is not taken. It need not wait for
# the disk: a slot forgotten in a crash is over by then, and waiting would blur the instants.
_RESERVE = text("""
    INSERT INTO app.emag_rate_limits AS l (platform, login, bucket, next_free_at)
    SELECT :platform, :login, :bucket, clock_timestamp() + make_interval(secs => :lead + :gap)
      FROM set_config('synchronous_commit', 'off', true)
    ON CONFLICT (platform, login, bucket) DO UPDATE SET
        next_free_at = greatest(l.next_free_at, clock_timestamp() + make_interval(secs => :lead))
            + make_interval(secs => :gap),
        probe_at = CASE WHEN l.down_since IS NOT NULL
                        THEN clock_timestamp() + make_interval(secs => :probe) END
    WHERE l.next_free_at < clock_timestamp() + make_interval(secs => :longest)
      AND (l.down_since IS NULL OR l.probe_at <= clock_timestamp())
    RETURNING extract(epoch FROM next_free_at - clock_timestamp())::float8 - :gap AS wait,
              down_since IS NOT NULL AS probing
""")

_WHY_NOT = text("""
    SELECT down_cause, down_detail, to_char(down_since AT TIME ZONE 'UTC', 'HH24:MI') AS since
      FROM app.emag_rate_limits
     WHERE platform = :platform AND login = :login AND bucket = :bucket
       AND down_since IS NOT NULL
""")

_MARK_DOWN = text("""
    UPDATE app.emag_rate_limits
       SET down_since = coalesce(down_since, clock_timestamp()), down_cause = :cause,
           down_detail = :detail, probe_at = clock_timestamp() + make_interval(secs => :probe)
     WHERE platform = :platform AND login = :login AND bucket = :bucket
""")

_MARK_UP = text("""
    UPDATE app.emag_rate_limits
       SET down_since = NULL, down_cause = NULL, down_detail = NULL, probe_at = NULL
     WHERE platform = :platform AND login = :login AND bucket = :bucket
""")

_PUSH = text("""
    INSERT INTO app.emag_rate_limits AS l (platform, login, bucket, next_free_at, throttled)
    VALUES (:platform, :login, :bucket, clock_timestamp() + make_interval(secs => :pause), :hit)
    ON CONFLICT (platform, login, bucket) DO UPDATE SET
        next_free_at = greatest(l.next_free_at,
                                clock_timestamp() + make_interval(secs => :pause)),
        throttled = l.throttled + :hit
""")


@dataclass(frozen=True)
class Slot:
    """An instant at which one request may leave, on this process's monotonic clock.

    `probing` says that eMAG counts as down, and that this request is to find out whether it is.
    """

    at: float
    waited: float
    probing: bool = False

    async def reached(self, tolerance: float) -> bool:
        """Sleep until the slot; False when it was missed by more than the tolerance (seconds)."""
        await asyncio.sleep(max(0.0, self.at - time.monotonic()))
        return time.monotonic() - self.at <= tolerance


class BudgetBusyError(Exception):
    """The next free slot is further away than a caller should wait."""


class EmagDownError(Exception):
    """eMAG counts as down for this login, and the next probe is not due yet."""

    def __init__(self, cause: str, detail: str, since: str) -> None:
        super().__init__(f"{detail} (since {since} UTC, asked again by itself)")
        self.cause = cause


async def reserve(
    engine: AsyncEngine,
    account: Account,
    route: Route,
    *,
    longest: float,
    lead: float = 0.0,
    probe: float = 10.0,
) -> Slot:
    """The next free instant for a request on this route.

    Args:
        longest: seconds beyond which no slot is taken.
        lead: seconds the caller needs before it can send.
        probe: seconds between two requests while eMAG counts as down.

    Raises:
        BudgetBusyError: the next slot is further away than `longest`.
        EmagDownError: eMAG counts as down and has been asked a moment ago.
    """
    reserved = {
        **_bucket(account, route),
        "gap": HEADROOM / rate(account, route),
        "lead": lead,
        "longest": longest,
        "probe": probe,
    }
    row = await line(engine).row(_RESERVE, reserved)
    if row is None:
        await _say_why_not(engine, account, route, longest)
    return Slot(time.monotonic() + row.wait, max(0.0, row.wait - lead), row.probing)


def _bucket(account: Account, route: Route) -> dict[str, str]:
    """The row of a route's budget."""
    return {
        "platform": account.platform,
        "login": account.username,
        "bucket": route.bucket.value,
    }


async def _say_why_not(
    engine: AsyncEngine, account: Account, route: Route, longest: float
) -> NoReturn:
    down = await line(engine).row(_WHY_NOT, _bucket(account, route))
    if down is not None:
        raise EmagDownError(down.down_cause, down.down_detail, down.since)
    raise BudgetBusyError(f"no free request slot of {route.bucket.value} within {longest:.0f} s")


async def is_down(engine: AsyncEngine, account: Account, route: Route) -> bool:
    """Whether eMAG counts as down for the route's bucket."""
    return await line(engine).row(_WHY_NOT, _bucket(account, route)) is not None


async def mark_down(
    engine: AsyncEngine, account: Account, route: Route, cause: str, detail: str, *, probe: float
) -> None:
    """Let everyone know that eMAG cannot be asked: from now on one probe at a time is sent."""
    outage = {**_bucket(account, route), "cause": cause, "detail": detail, "probe": probe}
    await line(engine).row(_MARK_DOWN, outage)


async def mark_up(engine: AsyncEngine, account: Account, route: Route) -> None:
    """Let everyone know that eMAG answers again."""
    await line(engine).row(_MARK_UP, _bucket(account, route))


async def push_back(
    engine: AsyncEngine, account: Account, route: Route, *, pause: float, throttled: bool
) -> None:
    """Keep everyone off the bucket for this many seconds, since eMAG said it is exhausted."""
    pushed = {**_bucket(account, route), "pause": pause, "hit": int(throttled)}
    await line(engine).row(_PUSH, pushed)
