"""What is as the ERP wants it already costs no write."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.cancellations.cancelling import (
    CANCELLATION,
    JUICE,
    LINES,
    MUG,
    ORDER,
    pieces,
    routes,
)
from tests.end_to_end.conftest import Shop


class TestAlreadyInTheWantedState:
    @pytest.mark.parametrize(
        ("there", "wish", "emag_status"),
        [
            ({"status": 0}, {}, "canceled"),
            ({"status": 0}, {"reason": "moon_phase"}, "canceled"),
            ({"status": 0, "type": 2}, {}, "canceled"),
            ({"status": 5}, {"refund_status": "processing"}, "returned"),
            ({"status": 5}, {"refund_status": "completed"}, "returned"),
        ],
    )
    async def test_it_is_synced_without_a_write(
        self, shop: Shop, there: dict[str, Any], wish: dict[str, Any], emag_status: str
    ) -> None:
        shop.market.add_order({"id": ORDER, **there})
        row = await shop.erp.add(CANCELLATION, ORDER, **wish)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert (await shop.books(CANCELLATION, row))["emag_status"] == emag_status
        assert set(routes(shop)) == {"order/read"}

    async def test_a_part_that_was_cancelled_by_hand_is_not_cancelled_again(
        self, shop: Shop
    ) -> None:
        gone = {**LINES[1], "status": 0}
        shop.market.add_order({"id": ORDER, "status": 2, "products": [LINES[0], gone]})
        row = await shop.erp.add(CANCELLATION, ORDER, {"emag_item_id": str(JUICE)})
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert (await shop.books(CANCELLATION, row))["emag_status"] == "partially_canceled"
        assert "order/save" not in routes(shop)

    async def test_what_was_carried_is_not_carried_again(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        row = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": 1})
        await shop.run(CANCELLATION)
        await shop.replay(CANCELLATION, row)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert pieces(shop) == {MUG: 2, JUICE: 1}
        assert routes(shop).count("order/save") == 1

    async def test_a_returned_order_is_refused_where_no_refund_is_asked_for(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 5})
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "5 returned" in await shop.reason(CANCELLATION, row)
