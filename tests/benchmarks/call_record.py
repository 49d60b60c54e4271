"""How much slower a call is written and an order's calls are found where a million are kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from statistics import median

import psycopg

from integrations.emag.routes import ORDER_SAVE
from integrations.emag.verdicts import judge
from integrations.ledger.calls import Subject, close_call
from integrations.ledger.engine import Engine
from integrations.ledger.history import Wanted, read_story
from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Place
from tests.integrations.ledger.recording import begin

MANY, FEW = 1_000_000, 1_000
DAYS = 30
CALLS_OF_AN_ORDER = 4
ROUNDS = 200

# What a small save and its answer take in the record, compressed and sealed.
BODY_BYTES = 600

FIRST_ORDER = 300_000_000
ANSWER = b'{"isError":false,"messages":[],"results":[]}'

_DAY = """
    CREATE TABLE IF NOT EXISTS app.emag_api_calls_{day:%Y%m%d} PARTITION OF app.emag_api_calls
        FOR VALUES FROM ('{day} 00:00:00+00') TO ('{after} 00:00:00+00')
"""

# An order's calls lie close together, as they do in a shop.
_CALLS = """
    INSERT INTO app.emag_api_calls (id, sent_at, account, platform, route, writes, order_ids, rows,
        steps, items, verdict, http_status, dead_at, closed_at, seconds, sealed, request, answer)
    SELECT gen_random_uuid(), at, 'main', 'sandbox-9', 'order/save', true, ARRAY[%(first)s + n / 4],
           ARRAY['cancellation:' || n / 4], ARRAY['2 -> 0'], 1, 'applied', 200, at, at, 0.2, true,
           body, body
      FROM (SELECT n, now() - (%(calls)s - n) * (interval '%(days)s days' / %(calls)s) AS at
              FROM generate_series(0, %(calls)s - 1) AS n) AS past,
           (SELECT decode(repeat(md5('x'), %(bytes)s / 16), 'hex') AS body) AS bodies
"""


def call_record(place: Place) -> Sequence[Figure]:
    """The median times with a million calls of a month, in proportion to those with a thousand."""
    urls = {calls: filled(place, calls) for calls in (MANY, FEW)}
    seconds = asyncio.run(measure(urls))
    return [
        _figure("writing one call", seconds["write"]),
        _figure("finding an order's calls", seconds["find"]),
    ]


def _figure(what: str, seconds: Mapping[int, Sequence[float]]) -> Figure:
    medians = {calls: median(each) for calls, each in seconds.items()}
    return Figure(
        f"{what}, 1,000,000 calls recorded to 1,000",
        measured=medians[MANY] / medians[FEW],
        limit=1.5,
        unit="times",
        details={"median_ms": {calls: 1000 * each for calls, each in medians.items()}},
    )


@cache
def filled(place: Place, calls: int) -> str:
    """The URL of a database with so many calls, spread over a month."""
    url = place.database()
    today = datetime.now(UTC).date()
    with psycopg.connect(url, autocommit=True) as connection:
        for ago in range(DAYS + 1):
            day = today - timedelta(days=ago)
            connection.execute(_DAY.format(day=day, after=day + timedelta(days=1)).encode())
        values = {"first": FIRST_ORDER, "calls": calls, "days": DAYS, "bytes": BODY_BYTES}
        connection.execute(_CALLS, values)
        connection.execute("VACUUM ANALYZE app.emag_api_calls")
    return url


async def measure(urls: Mapping[int, str]) -> Mapping[str, Mapping[int, Sequence[float]]]:
    """Seconds of each write and search, by what was done and by the number of calls.

    They are taken in turns, so that all databases see the same machine.
    """
    engines = {calls: Engine(url) for calls, url in urls.items()}
    found = {
        name: await _in_turns(engines, action)
        for name, action in {"write": _write, "find": _find}.items()
    }
    for engine in engines.values():
        engine.close()
    return found


async def _in_turns(
    engines: Mapping[int, Engine], action: Callable[[Engine, int, int], Awaitable[None]]
) -> Mapping[int, Sequence[float]]:
    seconds: dict[int, list[float]] = {calls: [] for calls in engines}
    for number in range(ROUNDS):
        for calls, engine in engines.items():
            began = time.perf_counter()
            await action(engine, calls, number)
            seconds[calls].append(time.perf_counter() - began)
    return seconds


async def _write(engine: Engine, calls: int, number: int) -> None:
    """A call as it is made: entered in a transaction of its own, and closed in another."""
    order = FIRST_ORDER - 1 - number
    subject = Subject(orders=[order], rows=["cancellation:1"], steps=["2 -> 0"])
    body = [{"id": order, "status": 0, "reason_cancellation": 33}]
    call = await begin(engine, ORDER_SAVE, subject, body)
    await close_call(engine, call, judge(ORDER_SAVE, 200, {}, ANSWER), None)


async def _find(engine: Engine, calls: int, number: int) -> None:
    order = FIRST_ORDER + (calls // CALLS_OF_AN_ORDER) * number // ROUNDS
    found = await read_story(engine, Wanted(order=order))
    assert len(found) == CALLS_OF_AN_ORDER
