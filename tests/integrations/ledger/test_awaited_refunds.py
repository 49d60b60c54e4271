"""When a closed return is looked at again because its refund is awaited."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.ledger.awaited_refunds import look_later, look_now, refunds_due
from integrations.ledger.database import rolled_back
from integrations.ledger.engine import Engine
from integrations.ledger.mirror_returns import Owed, Sight, see_returns
from tests.integrations.ledger.mirrored import ORDER, RETURN, execute, now

PLATFORM, ACCOUNT = "emag-ro", "main"
HOUR = timedelta(hours=1)


async def see(engine: Engine, read_at: datetime, **changes: Any) -> None:
    """A read shows the return, closed and without a refund unless `changes` say otherwise."""
    fields: dict[str, Any] = {
        "emag_id": RETURN,
        "type": 3,
        "order_id": ORDER,
        "status": 7,
        "placed_at": None,
        "finalize_by": None,
        "digest": "closed",
        "awaits_refund": True,
        **changes,
    }
    await see_returns(engine, PLATFORM, ACCOUNT, read_at, [Sight(**fields)])


async def next_look(engine: Engine) -> datetime | None:
    async with rolled_back(engine) as connection:
        found = await connection.execute("SELECT refund_at FROM app.emag_returns")
        moment: datetime | None = found.scalar_one()
    return moment


async def due(engine: Engine) -> list[Owed]:
    return await refunds_due(engine, PLATFORM, ACCOUNT, datetime.now(UTC) + HOUR, 10)


@pytest.mark.parametrize(
    ("awaited", "pause"), [(0, 6), (12, 6), (24, 6), (48, 12), (240, 60), (800, 200)]
)
async def test_the_pause_grows_with_the_time_that_it_is_awaited(
    engine: Engine, awaited: int, pause: int
) -> None:
    closed = await now(engine)
    await see(engine, closed, placed_at=closed - 1000 * HOUR, status=6, awaits_refund=False)
    for hours in (0, awaited):
        await see(engine, closed + hours * HOUR, digest="finalized")
    assert await next_look(engine) == closed + (awaited + pause) * HOUR


async def test_it_ends_after_45_days(engine: Engine) -> None:
    closed = await now(engine)
    await see(engine, closed)
    await see(engine, closed + 45 * 24 * HOUR)
    assert await next_look(engine) is None


async def test_it_ends_when_the_refund_is_seen(engine: Engine) -> None:
    closed = await now(engine)
    await see(engine, closed)
    await see(engine, closed + HOUR, digest="refunded", awaits_refund=False)
    assert await next_look(engine) is None


async def test_news_of_the_return_begins_it_anew(engine: Engine) -> None:
    closed = await now(engine)
    await see(engine, closed)
    await see(engine, closed + 40 * 24 * HOUR, digest="a refund is asked for")
    assert await next_look(engine) == closed + (40 * 24 + 6) * HOUR


async def test_what_is_first_seen_closed_is_awaited_since_it_was_placed(
    engine: Engine,
) -> None:
    read_at = await now(engine)
    await see(engine, read_at, placed_at=read_at - 80 * HOUR)
    assert await next_look(engine) == read_at + 20 * HOUR
    await execute(engine, "DELETE FROM app.emag_returns")
    await see(engine, read_at, placed_at=read_at - 46 * 24 * HOUR)
    assert await next_look(engine) is None


async def test_it_is_due_once_it_is_time_and_not_after_a_look_in_vain(
    engine: Engine,
) -> None:
    read_at = await now(engine)
    await see(engine, read_at - 5 * HOUR)
    assert await due(engine) == []
    await execute(engine, "UPDATE app.emag_returns SET refund_at = refund_at - interval '2 h'")
    assert await due(engine) == [Owed(RETURN, 3)]
    await look_later(engine, PLATFORM, RETURN)
    assert await due(engine) == []


async def test_what_a_run_has_read_already_is_not_due_in_it(engine: Engine) -> None:
    read_at = await now(engine)
    await see(engine, read_at)
    await execute(engine, "UPDATE app.emag_returns SET refund_at = clock_timestamp()")
    assert await refunds_due(engine, PLATFORM, ACCOUNT, read_at, 10) == []


async def test_news_of_its_order_makes_it_due(engine: Engine) -> None:
    await see(engine, await now(engine))
    await look_now(engine, PLATFORM, {ORDER + 1})
    assert await due(engine) == []
    await look_now(engine, PLATFORM, {ORDER})
    assert await due(engine) == [Owed(RETURN, 3)]


async def test_news_of_its_order_is_nothing_to_what_awaits_no_refund(engine: Engine) -> None:
    await see(engine, await now(engine), awaits_refund=False)
    await look_now(engine, PLATFORM, {ORDER})
    assert await due(engine) == []
