"""A hint about what eMAG does not know is forgotten; of what was read before a person is told."""

from __future__ import annotations

import asyncio

import pytest

from integrations.ledger.database import rolled_back, transaction
from integrations.ledger.engine import Engine
from integrations.ledger.hints import forget_order, forget_return, hint_order, hint_return
from tests.integrations.ledger.mirrored import ORDER, RETURN, mirror_order, mirror_return

PLATFORM, OWN = "emag-ro", 3


async def mirrored(engine: Engine) -> int:
    async with rolled_back(engine) as connection:
        query = "SELECT (SELECT count(*) FROM app.emag_orders)"
        found = await connection.execute(f"{query} + (SELECT count(*) FROM app.emag_returns)")
        return int(found.scalar_one())


async def test_a_mere_hint_is_forgotten(engine: Engine) -> None:
    await hint_order(engine, PLATFORM, "main", OWN, ORDER)
    await hint_return(engine, PLATFORM, "main", OWN, RETURN)
    assert await forget_order(engine, PLATFORM, ORDER)
    assert await forget_return(engine, PLATFORM, RETURN)
    assert await mirrored(engine) == 0


async def test_what_was_read_before_is_more_than_a_hint(engine: Engine) -> None:
    await mirror_order(engine)
    await mirror_return(engine)
    await hint_order(engine, PLATFORM, "main", OWN, ORDER)
    await hint_return(engine, PLATFORM, "main", OWN, RETURN)
    assert not await forget_order(engine, PLATFORM, ORDER)
    assert not await forget_return(engine, PLATFORM, RETURN)
    assert await mirrored(engine) == 2


@pytest.mark.parametrize("together", [True, False])
async def test_a_second_reader_of_a_hint_has_nothing_more_to_tell(
    engine: Engine, together: bool
) -> None:
    await hint_order(engine, PLATFORM, "main", OWN, ORDER)
    if together:
        async with transaction(engine) as first:
            await first.execute("DELETE FROM app.emag_orders")
            second = asyncio.create_task(forget_order(engine, PLATFORM, ORDER))
            await _waits(engine)
        assert await second
    else:
        assert await forget_order(engine, PLATFORM, ORDER)
        assert await forget_order(engine, PLATFORM, ORDER)


async def _waits(engine: Engine) -> None:
    """Until somebody waits for a lock."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with rolled_back(engine) as connection:
        while not (await connection.execute(query)).scalar_one():
            await connection.driver.rollback()
            await asyncio.sleep(0.01)
