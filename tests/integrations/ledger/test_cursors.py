"""Cursors and the clock that they go by."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from integrations.ledger.clock import Clock, read_clock
from integrations.ledger.cursors import Cursor, move_cursor, place_cursor, read_cursor
from integrations.ledger.database import database_time
from integrations.ledger.engine import Engine
from integrations.ledger.instants import Instant

RO, BG = "emag-ro", "emag-bg"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def position(engine: Engine, resource: str = "orders:3") -> datetime | None:
    cursor = await read_cursor(engine, RO, "main", resource)
    return cursor.position if cursor else None


async def test_there_is_none_before_the_first_window(engine: Engine) -> None:
    assert await read_cursor(engine, RO, "main", "orders:3") is None


async def test_it_moves_on_and_never_back(engine: Engine) -> None:
    for moment in (NOON, NOON + HOUR, NOON - HOUR):
        await move_cursor(engine, RO, "main", "orders:3", moment)
    assert await position(engine) == NOON + HOUR


async def test_it_never_stands_in_the_future(engine: Engine) -> None:
    now = await database_time(engine)
    for moment in (now + HOUR, now + 2 * HOUR):
        await move_cursor(engine, RO, "main", "orders:3", moment)
    stands = await position(engine)
    assert stands is not None
    assert now <= stands <= await database_time(engine)


async def test_what_it_is_said_to_hold_stays_until_something_else_is_said(
    engine: Engine,
) -> None:
    await move_cursor(engine, RO, "main", "orders:3", NOON, {"stored": 1})
    await move_cursor(engine, RO, "main", "orders:3", NOON + HOUR)
    assert await read_cursor(engine, RO, "main", "orders:3") == Cursor(NOON + HOUR, {"stored": 1})
    await move_cursor(engine, RO, "main", "orders:3", NOON, {"stored": 2})
    assert await read_cursor(engine, RO, "main", "orders:3") == Cursor(NOON + HOUR, {"stored": 2})


async def test_platforms_accounts_and_resources_have_cursors_of_their_own(
    engine: Engine,
) -> None:
    await move_cursor(engine, RO, "main", "orders:3", NOON)
    await move_cursor(engine, RO, "fbe", "orders:3", NOON + HOUR)
    await move_cursor(engine, BG, "main", "orders:3", NOON + 2 * HOUR)
    assert await position(engine) == NOON
    assert await position(engine, "orders:2") is None


async def test_one_that_is_placed_anew_goes_back(engine: Engine) -> None:
    await move_cursor(engine, RO, "main", "orders:3", NOON + HOUR, {"stored": 3})
    await place_cursor(engine, RO, "main", "orders:3", NOON, {"stored": 0})
    assert await read_cursor(engine, RO, "main", "orders:3") == Cursor(NOON, {"stored": 0})


async def test_the_clock_tells_the_databases_time_and_is_never_ahead(engine: Engine) -> None:
    before = await database_time(engine)
    clock = await read_clock(engine)
    await asyncio.sleep(0.05)
    told = clock.now()
    assert before + timedelta(seconds=0.05) <= told <= await database_time(engine)


async def test_the_clock_tells_the_time_of_another_instant_of_this_process() -> None:
    now = Instant.now()
    an_hour_ago = replace(now, monotonic=now.monotonic - 3600.0)
    assert Clock(NOON, now).at(an_hour_ago) == NOON - HOUR
