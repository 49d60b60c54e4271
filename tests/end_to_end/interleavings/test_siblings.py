"""Rows about one order take turns."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.ledger.points import Point
from integrations.sync.carry import carry
from tests.end_to_end.conftest import Shop
from tests.end_to_end.interleavings.meanwhile import (
    CANCELLATION,
    ON_THE_WAY,
    ORDER,
    RMA,
    done_to,
    one_of_five,
    stopped,
)
from tests.end_to_end.test_spine import claimed, folded, later, requests, state


class TestSiblings:
    @pytest.mark.parametrize("point", ON_THE_WAY)
    async def test_a_second_cancellation_of_the_order_waits_for_the_first(
        self, shop: Shop, point: Point
    ) -> None:
        first = await one_of_five(shop)
        async with stopped(shop.run(CANCELLATION), point):
            second = await one_of_five(shop, quantity=2)
            asked = len(shop.market.journal.requests)
            await shop.run(CANCELLATION)
            assert len(shop.market.journal.requests) == asked
        await shop.run(CANCELLATION)
        assert [await state(shop, row) for row in (first, second)] == ["synced", "synced"]
        assert done_to(shop) == [("order.line", 5, 4), ("order.line", 4, 2)]

    async def test_cancellations_claimed_together_take_turns(self, shop: Shop) -> None:
        rows = [await one_of_five(shop), await one_of_five(shop, quantity=2)]
        await shop.run(CANCELLATION)
        assert [await state(shop, row) for row in rows] == ["synced", "synced"]
        assert done_to(shop) == [("order.line", 5, 4), ("order.line", 4, 2)]

    @pytest.mark.parametrize("fault", ["before_effect", "after_effect"])
    async def test_while_one_is_in_doubt_nothing_is_asked_for_the_other(
        self, shop: Shop, fault: Any
    ) -> None:
        rows = [await one_of_five(shop), await one_of_five(shop, quantity=2)]
        shop.market.faults.add(route="order/save", point=fault, kind="reset", times=1)
        await shop.run(CANCELLATION)
        assert (requests(shop, "order/read"), requests(shop, "order/save")) == (1, 1)
        assert [await state(shop, row) for row in rows] == ["in_doubt", "pending"]
        await later(shop)
        await shop.run(CANCELLATION)
        assert [await state(shop, row) for row in rows] == ["synced", "synced"]
        assert done_to(shop) == [("order.line", 5, 4), ("order.line", 4, 2)]

    async def test_a_worker_that_died_between_them_leaves_each_measured_from_the_other(
        self, shop: Shop
    ) -> None:
        rows = [await one_of_five(shop), await one_of_five(shop, quantity=2)]
        await folded(shop)
        await carry(shop.channel, await claimed(shop))  # and then the worker dies
        await later(shop)
        await shop.run(CANCELLATION)
        assert [await state(shop, row) for row in rows] == ["synced", "synced"]
        assert done_to(shop) == [("order.line", 5, 4), ("order.line", 4, 2)]

    @pytest.mark.parametrize("fault", ["before_effect", "after_effect"])
    async def test_what_is_in_doubt_is_settled_before_another_is_measured(
        self, shop: Shop, fault: Any
    ) -> None:
        other = await one_of_five(shop, quantity=9)  # more than there are: refused
        await shop.run(CANCELLATION)
        doubtful = await one_of_five(shop)
        shop.market.faults.add(route="order/save", point=fault, kind="reset", times=1)
        await shop.run(CANCELLATION)
        await shop.sql("UPDATE app.cancellation_items SET quantity = 2 WHERE quantity = 9")
        await shop.sql("UPDATE app.emag_order_leases SET expires_at = clock_timestamp()")
        await shop.run(CANCELLATION)
        assert [await state(shop, row) for row in (doubtful, other)] == ["synced", "synced"]
        assert done_to(shop) == [("order.line", 5, 4), ("order.line", 4, 2)]

    @pytest.mark.parametrize("point", ON_THE_WAY)
    async def test_a_return_and_a_refund_of_one_order_take_turns(
        self, shop: Shop, point: Point
    ) -> None:
        order = shop.market.add_order({"id": ORDER, "status": 4})
        rma = shop.market.add_return({"order_id": ORDER, "request_status": 2})
        returned = await shop.erp.add(RMA, ORDER)
        refund = await shop.erp.add(CANCELLATION, ORDER, refund_status="processing")
        async with stopped(shop.run(RMA), point):
            asked = len(shop.market.journal.requests)
            await shop.run(CANCELLATION)
            assert len(shop.market.journal.requests) == asked
        await shop.run(CANCELLATION)
        assert await state(shop, returned, RMA) == "synced"
        assert await state(shop, refund) == "synced"
        assert (rma["request_status"], order["status"]) == (3, 5)
