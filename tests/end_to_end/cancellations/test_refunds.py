"""A cancellation whose refund is processed returns what was finalized."""

from __future__ import annotations

import pytest

from integrations.sync.plan_cancellations import Policy
from tests.end_to_end.cancellations.cancelling import (
    CANCELLATION,
    JUICE,
    LINES,
    MUG,
    ORDER,
    ago,
    cancelled,
    order,
    pieces,
)
from tests.end_to_end.conftest import Shop


class TestProcessingARefund:
    @pytest.mark.parametrize("status", [1, 2, 3])
    async def test_before_the_order_is_finalized_the_cancellation_is_the_refund(
        self, shop: Shop, status: int
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": status})
        row = await shop.erp.add(CANCELLATION, ORDER, refund_status="processing")
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)

    async def test_a_whole_finalized_order_becomes_returned(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 4, "products": LINES})
        row = await shop.erp.add(CANCELLATION, ORDER, refund_status="processing")
        await shop.run(CANCELLATION)
        assert order(shop)["status"] == 5
        books = await shop.books(CANCELLATION, row)
        assert (books["sync_state"], books["emag_status"]) == ("synced", "returned")

    async def test_part_of_it_is_a_storno_with_the_reduced_quantities(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 4, "products": LINES})
        items = ({"product_id": "1001", "quantity": 2}, {"product_id": "1002", "quantity": 1})
        row = await shop.erp.add(CANCELLATION, ORDER, *items, refund_status="processing")
        await shop.run(CANCELLATION)
        assert pieces(shop) == {MUG: 1, JUICE: 0}
        assert order(shop)["status"] == 4
        assert [line["storno_qty"] for line in order(shop)["products"]] == [2, 1]
        books = await shop.books(CANCELLATION, row)
        assert (books["sync_state"], books["emag_status"]) == ("synced", "partially_returned")

    @pytest.mark.parametrize(("days", "status"), [(34, 5), (36, 4)])
    async def test_it_happens_within_the_return_time_and_five_days(
        self, shop: Shop, days: int, status: int
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 4, "finalization_date": ago(days=days)})
        await shop.erp.add(CANCELLATION, ORDER, refund_status="processing")
        await shop.run(CANCELLATION)
        assert order(shop)["status"] == status

    async def test_a_part_past_that_time_is_refused_with_what_to_do(self, shop: Shop) -> None:
        times = {"finalization_date": ago(days=36)}
        shop.market.add_order({"id": ORDER, "status": 4, "products": LINES, **times})
        row = await shop.erp.add(
            CANCELLATION, ORDER, {"product_id": "1001"}, refund_status="processing"
        )
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "outside eMAG" in await shop.reason(CANCELLATION, row)

    async def test_a_seller_may_grant_a_longer_return_time(self, shop: Shop) -> None:
        shop.switch(return_window_days=60)
        shop.market.add_order({"id": ORDER, "status": 4, "finalization_date": ago(days=50)})
        await shop.erp.add(CANCELLATION, ORDER, refund_status="processing")
        await shop.run(CANCELLATION, policy=Policy(return_days=60))
        assert order(shop)["status"] == 5
