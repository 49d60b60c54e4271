"""Old days of the call record go whole, one by one, beside whoever records calls meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from integrations.emag.routes import ORDER_SAVE
from integrations.erp.connection import Connection
from integrations.ledger.calls import Subject
from integrations.ledger.database import autocommit, rolled_back, transaction
from integrations.ledger.engine import Engine
from integrations.ledger.retention import (
    PAUSES,
    CallsInUseError,
    drop_old_days,
    old_days,
    prepare_days,
)
from tests.integrations.ledger.recording import add_day, record

AT_ONCE = (0.0, 0.0)


def ago(days: int) -> date:
    return (datetime.now(UTC) - timedelta(days=days)).date()


async def drop(engine: Engine, pauses: Sequence[float] = AT_ONCE) -> list[date]:
    return [day async for day in drop_old_days(engine, 30, pauses)]


async def partitions(engine: Engine) -> set[str]:
    async with rolled_back(engine) as connection:
        found = await connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'app.emag_api_calls'::regclass"
        )
        return {name.removeprefix("app.") for name in found.scalars()}


@asynccontextmanager
async def role(engine: Engine, *grants: str) -> AsyncIterator[Connection]:
    """A connection of a login that owns nothing."""
    name = f"worker_{uuid4().hex[-12:]}"
    async with rolled_back(engine) as connection:
        await connection.execute(f"CREATE ROLE {name}")
        for grant in ("USAGE ON SCHEMA app", *grants):
            await connection.execute(f"GRANT {grant} TO {name}")
        await connection.driver.commit()
        try:
            await connection.execute(f"SET SESSION AUTHORIZATION {name}")
            yield connection
        finally:
            await connection.driver.rollback()
            await connection.execute("RESET SESSION AUTHORIZATION")
            await connection.execute(f"DROP OWNED BY {name}")
            await connection.execute(f"DROP ROLE {name}")
            await connection.driver.commit()


async def test_only_days_whose_every_call_is_older_are_dropped(engine: Engine) -> None:
    oldest, old = await add_day(engine, 45, calls=3), await add_day(engine, 31, calls=2)
    young = await add_day(engine, 30, calls=1)

    assert await drop(engine) == [ago(45), ago(31)]

    left = await partitions(engine)
    assert young in left
    assert not {oldest, old} & left


async def test_old_days_are_counted_before_anything_is_dropped(engine: Engine) -> None:
    await add_day(engine, 45, calls=3)
    await add_day(engine, 31)
    await add_day(engine, 30, calls=1)

    found = await old_days(engine, 30)

    assert [(each.day, each.calls) for each in found] == [(ago(45), 3), (ago(31), 0)]
    assert all(each.bytes > 0 for each in found)
    assert await old_days(engine, 60) == []


@pytest.mark.parametrize("days", [29, 0, -1, None])
async def test_fewer_than_30_days_are_refused(engine: Engine, days: int | None) -> None:
    await add_day(engine, 29)
    async with rolled_back(engine) as connection:
        with pytest.raises(psycopg.Error, match="30"):
            await connection.execute("SELECT app.emag_drop_calls(:days)", {"days": days})


async def test_a_partition_that_is_no_day_stays(engine: Engine) -> None:
    month = await add_day(engine, 90, calls=1, days=28)

    assert await drop(engine) == []

    assert month in await partitions(engine)


async def test_a_role_that_records_calls_needs_no_ownership(engine: Engine) -> None:
    await add_day(engine, 31)
    async with role(engine, "INSERT ON app.emag_api_calls") as connection:
        with pytest.raises(psycopg.Error, match="must be owner"):
            await connection.execute(f"DROP TABLE app.emag_api_calls_{ago(31):%Y%m%d}")
        await connection.driver.rollback()
        dropped = (await connection.execute("SELECT app.emag_drop_calls(30)")).scalar_one()
        await connection.driver.commit()
    assert dropped == ago(31)


async def test_a_role_that_may_not_record_calls_drops_none(engine: Engine) -> None:
    await add_day(engine, 31)
    async with role(engine) as connection:
        with pytest.raises(psycopg.Error, match="may write"):
            await connection.execute("SELECT app.emag_drop_calls(30)")
    assert len(await old_days(engine, 30)) == 1


async def test_what_somebody_reads_stays_and_nobody_waits_for_it(engine: Engine) -> None:
    await add_day(engine, 31)
    async with transaction(engine) as reader:
        await reader.execute("SELECT count(*) FROM app.emag_api_calls")
        with pytest.raises(CallsInUseError, match="run it again"):
            await drop(engine)
        async with transaction(engine) as worker:
            await worker.execute("SET LOCAL lock_timeout = '10ms'")
            await worker.execute(
                "INSERT INTO app.emag_api_calls (id, sent_at) VALUES (gen_random_uuid(), now())"
            )
    assert await drop(engine) == [ago(31)]


async def test_it_is_tried_again_until_the_reader_is_gone(engine: Engine) -> None:
    await add_day(engine, 31)
    async with rolled_back(engine) as reader:
        await reader.execute("SELECT count(*) FROM app.emag_api_calls")
        dropping = asyncio.create_task(drop(engine, pauses=(0.0,) * 1000))
        await _somebody_waits(engine)
        await reader.driver.rollback()
        assert await dropping == [ago(31)]


async def _somebody_waits(engine: Engine) -> None:
    waiting = (
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
        " WHERE NOT granted AND datname = current_database()"
    )
    async with autocommit(engine) as connection:
        for _ in range(10_000):
            if (await connection.execute(waiting)).scalar_one():
                return
    raise AssertionError("nobody waits for a lock")


async def test_calls_are_recorded_while_days_are_dropped(engine: Engine) -> None:
    for days_ago in range(31, 51):
        await add_day(engine, days_ago, calls=10)

    async def work() -> None:
        for order_id in range(50):
            await record(engine, ORDER_SAVE, Subject(orders=[order_id]))

    dropped, *_ = await asyncio.gather(drop(engine, PAUSES), work(), work())

    assert len(dropped) == 20
    async with rolled_back(engine) as connection:
        assert (
            await connection.execute("SELECT count(*) FROM app.emag_api_calls")
        ).scalar_one() == 100


async def test_two_at_once_drop_each_day_once(engine: Engine) -> None:
    for days_ago in range(31, 41):
        await add_day(engine, days_ago)

    both = await asyncio.gather(drop(engine, PAUSES), drop(engine, PAUSES))

    assert sorted(both[0] + both[1]) == [ago(days) for days in range(40, 30, -1)]


async def test_the_coming_days_are_made(engine: Engine) -> None:
    async with transaction(engine) as connection:
        await connection.execute(f"DROP TABLE app.emag_api_calls_{ago(-5):%Y%m%d}")

    await prepare_days(engine)

    assert {f"emag_api_calls_{ago(-days):%Y%m%d}" for days in range(15)} <= await partitions(engine)
