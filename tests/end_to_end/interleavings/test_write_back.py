"""What is written back into the ERP waits for nobody."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from tests.end_to_end.conftest import Shop
from tests.end_to_end.interleavings.meanwhile import CANCELLATION, whole
from tests.end_to_end.test_spine import state


class TestWriteBack:
    async def test_an_erp_that_holds_its_row_locked_is_not_waited_for(self, shop: Shop) -> None:
        row = await whole(shop)
        async with shop.channel.engine.connect() as erp:
            await erp.execute(
                text("SELECT FROM app.cancellation_requests WHERE id = :id FOR UPDATE"),
                {"id": row},
            )
            running = asyncio.create_task(shop.run(CANCELLATION))
            waits = False
            while not (running.done() or waits):
                waits = await somebody_waits(shop)
            await erp.rollback()
        await running
        assert not waits
        assert await state(shop, row) == "synced"


async def somebody_waits(shop: Shop) -> bool:
    """Whether a session of this database waits for a lock."""
    waiting = await shop.sql(
        "SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(waiting)
