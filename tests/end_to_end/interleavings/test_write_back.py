"""What is written back into the ERP waits for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from integrations.erp.connection import Connection
from integrations.ledger.database import rolled_back
from integrations.ledger.pending_writes import write_flagged
from integrations.ledger.points import Point
from tests.end_to_end.conftest import Shop
from tests.end_to_end.interleavings.meanwhile import CANCELLATION, ORDER, OTHER, RMA, stopped, whole
from tests.end_to_end.returns_in.returning import take
from tests.end_to_end.test_spine import folded, state

FIRST, SECOND = 52_000_501, 52_000_502


class TestWriteBack:
    async def test_an_erp_that_holds_its_row_locked_is_not_waited_for(self, shop: Shop) -> None:
        row = await whole(shop)
        async with rolled_back(shop.channel.engine) as erp:
            await erp.execute(
                "SELECT FROM app.cancellation_requests WHERE id = :id FOR UPDATE",
                {"id": row},
            )
            running = asyncio.create_task(shop.run(CANCELLATION))
            waits = False
            while not (running.done() or waits):
                waits = await somebody_waits(shop)
            await erp.driver.rollback()
        await running
        assert not waits
        assert await state(shop, row) == "synced"


class TestDecidedMeanwhile:
    """The ERP changes its row before the value that was found for it can be written."""

    async def test_another_return_named_while_the_row_was_locked_is_carried(
        self, shop: Shop
    ) -> None:
        row = await a_return(shop)
        async with held(shop, row) as erp:
            await shop.run(RMA)
            shop.market.add_return({"emag_id": SECOND, "order_id": ORDER, "request_status": 2})
            await name_another(erp, row)
        assert await write_flagged(shop.channel.engine, shop.channel.schema, RMA) == 1
        assert await linked(shop, row) == str(SECOND)
        await shop.run(RMA)
        assert await linked(shop, row) == str(SECOND)
        assert await state(shop, row, RMA) == "synced"
        assert status_of(shop, SECOND) == 3

    async def test_one_that_does_not_exist_is_refused_as_the_row_shows_it(self, shop: Shop) -> None:
        row = await a_return(shop)
        async with held(shop, row) as erp:
            await shop.run(RMA)
            await name_another(erp, row)
        await shop.run(RMA)
        assert f'"{SECOND}" is not known' in await shop.reason(RMA, row)
        assert await linked(shop, row) == str(SECOND)
        assert (await shop.books(RMA, row))["write_back"] is None

    async def test_one_that_no_trigger_saw_stands(self, shop: Shop) -> None:
        row = await a_return(shop)
        async with held(shop, row) as erp:
            await shop.run(RMA)
            await erp.execute("SET LOCAL session_replication_role = replica")
            await name_another(erp, row)
        await shop.run(RMA)
        assert await linked(shop, row) == str(SECOND)

    @pytest.mark.parametrize("point", [Point.CARRIED, Point.PERSISTED, Point.RELEASED])
    async def test_one_named_on_the_way_stands(self, shop: Shop, point: Point) -> None:
        row = await a_return(shop)
        async with stopped(shop.run(RMA), point):
            shop.market.add_return({"emag_id": SECOND, "order_id": ORDER, "request_status": 2})
            await shop.erp.update(RMA, row, emag_return_id=str(SECOND))
            if point is Point.CARRIED:
                await folded(shop)
        assert await linked(shop, row) == str(SECOND)
        await shop.run(RMA)
        assert await linked(shop, row) == str(SECOND)
        assert status_of(shop, SECOND) == 3

    async def test_a_row_that_came_to_name_another_order_gets_nothing_of_the_first(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": OTHER, "status": 4})
        row = await a_return(shop)
        shop.market.faults.add("rma/save", point="after_effect", kind="cut_body")
        await shop.run(RMA)
        assert await state(shop, row, RMA) == "in_doubt"
        await shop.later()
        async with stopped(shop.run(RMA), Point.CARRIED):
            await shop.erp.update(RMA, row, emag_order_id=str(OTHER))
            await folded(shop)
        assert await linked(shop, row) is None

    async def test_what_was_found_before_an_edit_is_shown_though_the_edit_is_refused(
        self, shop: Shop
    ) -> None:
        row = await a_return(shop)
        async with stopped(shop.run(RMA), Point.CARRIED):
            await shop.erp.update(RMA, row, status="nonsense")
            await folded(shop)
        await shop.run(RMA)
        assert await state(shop, row, RMA) == "refused"
        assert await linked(shop, row) == str(FIRST)

    async def test_a_new_row_of_that_id_gets_nothing_of_the_deleted_one(self, shop: Shop) -> None:
        shop.market.add_order({"id": OTHER, "status": 4})
        row = await a_return(shop)
        async with held(shop, row) as erp:
            await shop.run(RMA)
            await erp.execute("DELETE FROM app.return_requests WHERE id = :id", {"id": row})
            await erp.execute(
                "INSERT INTO app.return_requests (id, return_number, emag_order_id, status,"
                " reason, customer_name, account_type)"
                " VALUES (:id, 'N-2', :order, 'approved', 'other', 'Ana Exemplu', 'main')",
                {"id": row, "order": str(OTHER)},
            )
        await write_flagged(shop.channel.engine, shop.channel.schema, RMA)
        assert await linked(shop, row) is None
        await shop.run(RMA)
        assert await linked(shop, row) is None
        shop.market.add_return({"emag_id": SECOND, "order_id": OTHER, "request_status": 2})
        await shop.replay(RMA, row)
        await shop.run(RMA)
        assert (await linked(shop, row), status_of(shop, SECOND)) == (str(SECOND), 3)

    async def test_what_emag_says_later_is_not_undone(self, shop: Shop) -> None:
        row = await a_return(shop)
        async with held(shop, row):
            await shop.run(RMA)
        await shop.sql("UPDATE app.emag_api_calls SET closed_at = closed_at - interval '9 s'")
        shop.market.courier_delivers_return(FIRST)
        await take(shop)
        await shop.run(RMA)
        assert (await shop.erp.row(RMA, row))["emag_status"] == "in_progress"
        assert await linked(shop, row) == str(FIRST)


async def a_return(shop: Shop) -> int:
    """A return of the ERP's with its RMA at eMAG; its id."""
    shop.market.add_order({"id": ORDER, "status": 4})
    shop.market.add_return({"emag_id": FIRST, "order_id": ORDER, "request_status": 2})
    return await shop.erp.add(RMA, ORDER)


@asynccontextmanager
async def held(shop: Shop, row: int) -> AsyncIterator[Connection]:
    """The ERP holds a return's row locked, and commits in the end."""
    async with rolled_back(shop.channel.engine) as erp:
        await erp.execute("SELECT FROM app.return_requests WHERE id = :id FOR UPDATE", {"id": row})
        yield erp
        await erp.driver.commit()


async def name_another(erp: Connection, row: int) -> None:
    await erp.execute(
        "UPDATE app.return_requests SET emag_return_id = :rma WHERE id = :id",
        {"rma": str(SECOND), "id": row},
    )


async def linked(shop: Shop, row: int) -> Any:
    """The RMA that the ERP's row names."""
    return (await shop.erp.row(RMA, row))["emag_return_id"]


def status_of(shop: Shop, emag_id: int) -> Any:
    found = shop.market.returns.get(emag_id)
    assert found is not None
    return found["request_status"]


async def somebody_waits(shop: Shop) -> bool:
    """Whether a session of this database waits for a lock."""
    waiting = await shop.sql(
        "SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(waiting)
