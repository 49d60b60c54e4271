"""The request budget: one row per login and bucket, shared by every process that uses the database.

A caller reserves the next free instant and sleeps until then, so requests leave evenly spaced and
never in bursts. Background work reserves only what is about to come, so that nobody has to wait for
what it has taken, and takes at most every second instant while others want some. Reservations
commit on their own, so nobody queues behind a row's transaction.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from integrations.emag.accounts import Account, rate
from integrations.emag.routes import LIMITS, Route
from integrations.ledger.engine import Engine
from integrations.ledger.instants import Instant
from integrations.ledger.line import line

# eMAG counts arrivals, not departures: a little distance keeps jitter on the way inside the limit.
HEADROOM = 1.04

# How far the database's clock and ours may part, in seconds a second.
DRIFT = 0.0005

# So long after others have wanted a slot, background work leaves them half of the budget.
WANTED = 2.0

# How far ahead background work reserves, in seconds; one slot at least.
AHEAD = 0.25

# In one statement: a missing row is made, a slot too far away is not taken. `background_at` is the
# last instant that background work took.
RESERVE = f"""
    INSERT INTO app.emag_rate_limits AS l (platform, login, bucket, next_free_at, wanted_at,
        background_at)
    VALUES (:platform, :login, :bucket, clock_timestamp() + make_interval(secs => :lead + :gap),
        CASE WHEN NOT :background THEN clock_timestamp() END,
        CASE WHEN :background THEN clock_timestamp() + make_interval(secs => :lead) END)
    ON CONFLICT (platform, login, bucket) DO UPDATE SET
        next_free_at = greatest(l.next_free_at, clock_timestamp() + make_interval(secs => :lead))
            + make_interval(secs => :gap),
        wanted_at = CASE WHEN :background THEN l.wanted_at ELSE clock_timestamp() END,
        background_at = CASE WHEN :background
            THEN greatest(l.next_free_at, clock_timestamp() + make_interval(secs => :lead))
            ELSE l.background_at END,
        probe_at = CASE WHEN l.down_since IS NOT NULL
            THEN greatest(l.next_free_at, clock_timestamp() + make_interval(secs => :lead))
                + make_interval(secs => :probe) END
    WHERE l.next_free_at < clock_timestamp() + make_interval(secs => :longest)
      AND (l.down_since IS NULL OR l.probe_at <= clock_timestamp())
      AND (NOT :background OR l.background_at IS NULL
           OR (l.background_at <= clock_timestamp() + make_interval(secs => :ahead)
               AND (coalesce(l.wanted_at, '-infinity')
                        < clock_timestamp() - make_interval(secs => {WANTED})
                    OR l.background_at + make_interval(secs => 2 * :gap)
                        <= greatest(l.next_free_at,
                                    clock_timestamp() + make_interval(secs => :lead)))))
    RETURNING extract(epoch FROM next_free_at)::float8 - :gap AS at,
              extract(epoch FROM clock_timestamp())::float8 AS now,
              next_free_at AS until, probe_at AS probing
"""

# For a request that leaves after its slot, but before that ends (`until`): what is free moves by as
# much as it is late. As long as fewer than the limit are reserved behind the slot (they lie within
# `room`, at whatever rate), no second then holds more requests than the limit; and another slot
# would cost more.
_RENEW = """
    UPDATE app.emag_rate_limits
       SET next_free_at = next_free_at + (statement_timestamp() - CAST(:until AS timestamptz))
                          + make_interval(secs => :gap)
     WHERE platform = :platform AND login = :login AND bucket = :bucket AND down_since IS NULL
       AND statement_timestamp() < :until
       AND next_free_at >= :until
       AND next_free_at < :until + make_interval(secs => :room)
    RETURNING extract(epoch FROM statement_timestamp())::float8 AS now,
              statement_timestamp() + make_interval(secs => :gap) AS until
"""

_WHY_NOT = """
    SELECT down_cause, down_detail,
           to_char(down_since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS since
      FROM app.emag_rate_limits
     WHERE platform = :platform AND login = :login AND bucket = :bucket
       AND down_since IS NOT NULL
"""

# eMAG counts as down, and the next probe is not due yet.
_IS_BEING_ASKED = """
    SELECT true AS asked FROM app.emag_rate_limits
     WHERE platform = :platform AND login = :login AND bucket = :bucket
       AND down_since IS NOT NULL AND probe_at > clock_timestamp()
"""

_MARK_DOWN = """
    UPDATE app.emag_rate_limits
       SET down_since = coalesce(down_since, clock_timestamp()), down_cause = :cause,
           down_detail = :detail,
           probe_at = coalesce(probe_at, clock_timestamp() + make_interval(secs => :probe))
     WHERE platform = :platform AND login = :login AND bucket = :bucket
"""

# Unless another probe was allowed meanwhile.
_PROBED = """
    UPDATE app.emag_rate_limits SET probe_at = clock_timestamp() + make_interval(secs => :probe)
     WHERE platform = :platform AND login = :login AND bucket = :bucket AND probe_at = :probing
"""

# Whoever reserves next is the probe, in a slot like any other.
_HASTEN = """
    UPDATE app.emag_rate_limits SET probe_at = clock_timestamp()
     WHERE platform = :platform AND login = :login AND bucket = :bucket
       AND down_since IS NOT NULL AND down_cause = ANY(CAST(:causes AS text[]))
    RETURNING true AS hastened
"""

_MARK_UP = """
    UPDATE app.emag_rate_limits
       SET down_since = NULL, down_cause = NULL, down_detail = NULL, probe_at = NULL
     WHERE platform = :platform AND login = :login AND bucket = :bucket
"""

_PUSH = """
    INSERT INTO app.emag_rate_limits AS l (platform, login, bucket, next_free_at, throttled)
    VALUES (:platform, :login, :bucket, clock_timestamp() + make_interval(secs => :pause), :hit)
    ON CONFLICT (platform, login, bucket) DO UPDATE SET
        next_free_at = greatest(l.next_free_at,
                                clock_timestamp() + make_interval(secs => :pause)),
        throttled = l.throttled + :hit
"""


@dataclass(frozen=True)
class Slot:
    """An instant at which one request may leave, on this process's monotonic clock.

    `probing` says that eMAG counts as down, and that this request is to find out whether it is: no
    other may before that instant, by the database's clock, unless this one is over (`probed`).
    `until` is when the next slot may begin, by the database's clock. `asked` is when it was asked
    for.
    """

    at: float
    waited: float
    probing: datetime | None = None
    until: datetime | None = None
    asked: Instant = field(default_factory=Instant.now)

    def left(self) -> float:
        """Seconds until the slot, fewer than none behind it: a halt since `asked` counts."""
        return self.at - self.asked.monotonic - self.asked.age()

    async def reached(self, tolerance: float, ahead: float = 0.0) -> bool:
        """Sleep until the slot, or some seconds `ahead` of it.

        False when it was missed by more than the tolerance (seconds).
        """
        await asyncio.sleep(max(0.0, self.left() - ahead))
        return -self.left() <= tolerance


class BudgetBusyError(Exception):
    """The next free slot is further away than a caller should wait."""


class EmagDownError(Exception):
    """eMAG counts as down for this login, and the next probe is not due yet."""

    def __init__(self, cause: str, detail: str, since: str) -> None:
        super().__init__(f"{detail} (since {since} UTC, asked again by itself)")
        self.cause = cause


async def reserve(
    engine: Engine,
    account: Account,
    route: Route,
    *,
    longest: float,
    lead: float = 0.0,
    probe: float = 50.0,
    background: bool = False,
) -> Slot:
    """The next free instant for a request on this route.

    Args:
        longest: seconds beyond which no slot is taken.
        lead: seconds the caller needs before it can send.
        probe: while eMAG counts as down, seconds after this slot in which no other is given.
        background: others come first; the caller sleeps here until it is its turn.

    Raises:
        BudgetBusyError: the next slot is further away than `longest`.
        EmagDownError: eMAG counts as down and has been asked a moment ago.
    """
    slot, _ = await reserve_within(
        engine,
        account,
        route,
        RESERVE,
        {},
        longest=longest,
        lead=lead,
        probe=probe,
        background=background,
    )
    return slot


async def renew(engine: Engine, account: Account, route: Route, missed: Slot) -> Slot | None:
    """A slot for now in place of one that was just missed; None if only another one will do."""
    per_second, asked = rate(account, route), Instant.now()
    gap = HEADROOM / per_second
    if -missed.left() >= gap:
        return None
    room = min((max(1, int(per_second)) - 0.5) * gap, HEADROOM * (1 - 0.5 / LIMITS[route.bucket]))
    wanted = {**_bucket(account, route), "gap": gap, "room": room, "until": missed.until}
    row = await line(engine).row(_RENEW, wanted)
    if row is None:
        return None
    at = row.now + _ahead(engine, row.now, asked.monotonic, time.monotonic())
    return Slot(at, 0.0, until=row.until, asked=asked)


async def reserve_within(
    engine: Engine,
    account: Account,
    route: Route,
    statement: str,
    values: Mapping[str, Any],
    *,
    longest: float,
    lead: float,
    probe: float,
    background: bool = False,
) -> tuple[Slot, Any]:
    """`reserve` by a statement that does more with `values`, in the same transaction.

    It contains RESERVE and returns its columns with those of its own, in one row: the second half
    of the answer.
    """
    gap = HEADROOM / rate(account, route)
    wanted = {
        **values,
        **_bucket(account, route),
        "gap": gap,
        "lead": lead,
        "probe": probe,
        "background": background,
        "ahead": max(0.0, AHEAD - gap),
    }
    if background:
        return await _reserve_in_turn(engine, account, route, statement, wanted, longest)
    reserved = await _reserve_now(engine, statement, {**wanted, "longest": longest})
    if reserved is None:
        raise await _why_not(engine, account, route, longest)
    return reserved


async def _reserve_now(
    engine: Engine, statement: str, values: Mapping[str, Any]
) -> tuple[Slot, Any] | None:
    asked = Instant.now()
    row = await line(engine).row(statement, values)
    if row is None:
        return None
    at = row.at + _ahead(engine, row.now, asked.monotonic, time.monotonic())
    waited = max(0.0, row.at - row.now - values["lead"])
    return Slot(at, waited, row.probing, row.until, asked), row


@dataclass
class _Turn:
    """This process's background callers of a bucket: one asks at a time, at `next` (monotonic)."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    next: float = -math.inf


_TURNS: WeakKeyDictionary[Engine, dict[tuple[str, ...], _Turn]] = WeakKeyDictionary()


async def _reserve_in_turn(
    engine: Engine,
    account: Account,
    route: Route,
    statement: str,
    values: Mapping[str, Any],
    longest: float,
) -> tuple[Slot, Any]:
    """Ask for a slot, again and again, until background work may take one."""
    bucket = tuple(_bucket(account, route).values())
    turn = _TURNS.setdefault(engine, {}).setdefault(bucket, _Turn())
    began = time.monotonic()
    async with turn.lock:
        while (left := began + longest - time.monotonic()) > 0:
            await asyncio.sleep(turn.next - time.monotonic())
            reserved = await _reserve_now(engine, statement, {**values, "longest": left})
            if reserved is not None:
                slot, row = reserved
                turn.next = slot.at - values["ahead"]
                waited = max(0.0, slot.at - began - values["lead"])
                return replace(slot, waited=waited), row
            turn.next = time.monotonic() + values["gap"] / 2
            if await line(engine).row(_IS_BEING_ASKED, _bucket(account, route)) is not None:
                break
    raise await _why_not(engine, account, route, longest)


# By engine and bucket, when the pause ends that eMAG has asked this process for (monotonic).
_PAUSES: WeakKeyDictionary[Engine, dict[tuple[str, ...], float]] = WeakKeyDictionary()

# By engine, what `_ahead` found last, and when.
_AHEAD: WeakKeyDictionary[Engine, tuple[float, float]] = WeakKeyDictionary()


def _ahead(engine: Engine, now: float, asked: float, answered: float) -> float:
    """What to add to the database's time for our own: it was `now` between `asked` and `answered`.

    An answer that took long says little of when it was given, so quicker ones before it count, too:
    all processes would else see the same instant at different times.
    """
    ahead = answered - now
    if engine in _AHEAD:
        known, at = _AHEAD[engine]
        ahead = max(asked - now, min(ahead, known + DRIFT * (answered - at)))
    _AHEAD[engine] = ahead, answered
    return ahead


def _bucket(account: Account, route: Route) -> dict[str, str]:
    """The row of a route's budget."""
    return {
        "platform": account.platform,
        "login": account.username,
        "bucket": route.bucket.value,
    }


async def _why_not(
    engine: Engine, account: Account, route: Route, longest: float
) -> EmagDownError | BudgetBusyError:
    """Why there was no slot."""
    down = await line(engine).row(_WHY_NOT, _bucket(account, route))
    if down is not None:
        return EmagDownError(down.down_cause, down.down_detail, down.since)
    return BudgetBusyError(f"no free request slot of {route.bucket.value} within {longest:.0f} s")


async def is_down(engine: Engine, account: Account, route: Route) -> bool:
    """Whether eMAG counts as down for the route's bucket."""
    return await line(engine).row(_WHY_NOT, _bucket(account, route)) is not None


async def mark_down(
    engine: Engine, account: Account, route: Route, cause: str, detail: str, *, probe: float
) -> None:
    """Let everyone know that eMAG cannot be asked: from now on one probe at a time is sent."""
    outage = {**_bucket(account, route), "cause": cause, "detail": detail, "probe": probe}
    await line(engine).row(_MARK_DOWN, outage)


async def probed(
    engine: Engine, account: Account, route: Route, slot: Slot, *, probe: float
) -> None:
    """A request that was to find out whether eMAG is back did not: in a while the next one may."""
    ended = {**_bucket(account, route), "probing": slot.probing, "probe": probe}
    await line(engine).row(_PROBED, ended)


async def hasten_probe(
    engine: Engine, account: Account, route: Route, causes: Collection[str]
) -> bool:
    """Let the next request be sent at once, as a probe; False unless eMAG is down for a cause."""
    wanted = {**_bucket(account, route), "causes": sorted(causes)}
    return await line(engine).row(_HASTEN, wanted) is not None


async def mark_up(engine: Engine, account: Account, route: Route) -> None:
    """Let everyone know that eMAG answers again."""
    await line(engine).row(_MARK_UP, _bucket(account, route))


async def push_back(
    engine: Engine, account: Account, route: Route, *, pause: float, throttled: bool
) -> None:
    """Keep everyone off the bucket for this many seconds, since eMAG said it is exhausted.

    What other processes have reserved before they may still send; this one sends nothing.
    """
    bucket = _bucket(account, route)
    until = time.monotonic() + pause - HEADROOM / rate(account, route) / 2
    pauses, key = _PAUSES.setdefault(engine, {}), tuple(bucket.values())
    pauses[key] = max(until, pauses.get(key, until))
    await line(engine).row(_PUSH, {**bucket, "pause": pause, "hit": int(throttled)})


def is_paused(engine: Engine, account: Account, route: Route) -> bool:
    """Whether slots that this process reserved before eMAG asked for a pause are void now."""
    until = _PAUSES.get(engine, {}).get(tuple(_bucket(account, route).values()), -math.inf)
    return time.monotonic() < until
