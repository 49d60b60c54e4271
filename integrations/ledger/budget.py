"""The request budget: one row per login and bucket, shared by every process that uses the database.

A caller reserves the next free instant and sleeps until then, so requests leave evenly spaced and
never in bursts. Reservations commit on their own, so nobody queues behind a row's transaction.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.emag.accounts import Account, rate
from integrations.emag.routes import Route
from integrations.ledger.database import autocommit

# eMAG counts arrivals, not departures: a little distance keeps jitter on the way inside the limit.
HEADROOM = 1.03

# In one statement: a missing row is made, a slot too far away is not taken.
_RESERVE = text("""
    INSERT INTO app.emag_rate_limits AS l (platform, login, bucket, next_free_at)
    VALUES (:platform, :login, :bucket,
            clock_timestamp() + make_interval(secs => :lead + :gap))
    ON CONFLICT (platform, login, bucket) DO UPDATE SET
        next_free_at = greatest(l.next_free_at, clock_timestamp() + make_interval(secs => :lead))
            + make_interval(secs => :gap)
    WHERE l.next_free_at < clock_timestamp() + make_interval(secs => :longest)
    RETURNING extract(epoch FROM next_free_at - clock_timestamp())::float8 - :gap AS wait
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
    """An instant at which one request may leave, on this process's monotonic clock."""

    at: float
    waited: float

    async def reached(self, tolerance: float) -> bool:
        """Sleep until the slot; False when it was missed by more than the tolerance (seconds)."""
        await asyncio.sleep(max(0.0, self.at - time.monotonic()))
        return time.monotonic() - self.at <= tolerance


class BudgetBusyError(Exception):
    """The next free slot is further away than a caller should wait."""


async def reserve(
    engine: AsyncEngine,
    account: Account,
    route: Route,
    *,
    longest: float,
    lead: float = 0.0,
) -> Slot:
    """The next free instant for a request on this route.

    Args:
        longest: seconds beyond which no slot is taken.
        lead: seconds the caller needs before it can send.

    Raises:
        BudgetBusyError: the next slot is further away than `longest`.
    """
    gap = HEADROOM / rate(account, route)
    reserved = {
        "platform": account.platform,
        "login": account.username,
        "bucket": route.bucket.value,
        "gap": gap,
        "lead": lead,
        "longest": longest,
    }
    async with autocommit(engine) as connection:
        row = (await connection.execute(_RESERVE, reserved)).first()
    if row is None:
        raise BudgetBusyError(
            f"no free request slot of {route.bucket.value} within {longest:.0f} s"
        )
    return Slot(at=time.monotonic() + row.wait, waited=max(0.0, row.wait - lead))


async def push_back(
    engine: AsyncEngine, account: Account, route: Route, *, pause: float, throttled: bool
) -> None:
    """Keep everyone off the bucket for this many seconds, since eMAG said it is exhausted."""
    async with autocommit(engine) as connection:
        await connection.execute(
            _PUSH,
            {
                "platform": account.platform,
                "login": account.username,
                "bucket": route.bucket.value,
                "pause": pause,
                "hit": int(throttled),
            },
        )
