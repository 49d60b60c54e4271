"""Orders not cancelled at will: paid by card, fulfilled by eMAG, finalized a while ago."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.emag.wire import elements
from tests.end_to_end.cancellations.cancelling import (
    CANCELLATION,
    CARD,
    JUICE,
    LINES,
    MUG,
    ORDER,
    ago,
    cancelled,
    order,
    pieces,
    routes,
)
from tests.end_to_end.conftest import Shop


class TestCardOrders:
    @pytest.mark.parametrize(
        "paid",
        [{"payment_mode_id": CARD}, {"payment_mode_id": None, "payment_mode": "CARD online"}],
    )
    async def test_fewer_pieces_are_refused_before_a_request_is_spent(
        self, shop: Shop, paid: dict[str, Any]
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES, **paid})
        row = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": 1})
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "card" in await shop.reason(CANCELLATION, row)
        assert "order/save" not in routes(shop)

    async def test_the_whole_order_is_cancelled(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "payment_mode_id": CARD})
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)

    async def test_a_finalized_one_is_returned_in_part(self, shop: Shop) -> None:
        shop.market.add_order(
            {"id": ORDER, "status": 4, "payment_mode_id": CARD, "products": LINES}
        )
        row = await shop.erp.add(
            CANCELLATION, ORDER, {"product_id": "1001"}, refund_status="processing"
        )
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert pieces(shop) == {MUG: 2, JUICE: 1}

    async def test_where_emag_forbids_even_that_the_row_is_refused_in_its_words(
        self, shop: Shop
    ) -> None:
        shop.switch(card_partial_storno=False)
        shop.market.add_order(
            {"id": ORDER, "status": 4, "payment_mode_id": CARD, "products": LINES}
        )
        row = await shop.erp.add(
            CANCELLATION, ORDER, {"product_id": "1001"}, refund_status="processing"
        )
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "paid by card" in await shop.reason(CANCELLATION, row)
        shop.market.journal.clear()  # sources disagree about this rule, so it is asked


class TestFulfilledByEmag:
    @pytest.mark.parametrize("status", [1, 2, 4])
    async def test_such_an_order_is_refused_locally_with_that_reason(
        self, shop: Shop, status: int
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": status, "type": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, refund_status="processing")
        report = await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "fulfilled by eMAG" in await shop.reason(CANCELLATION, row)
        assert report.requests == {"order/read": 2}

    async def test_an_account_for_such_orders_asks_for_them_first(self, fbe: Shop) -> None:
        fbe.market.add_order({"id": ORDER, "status": 0, "type": 2})
        row = await fbe.erp.add(CANCELLATION, ORDER, account_type="fbe")
        report = await fbe.run(CANCELLATION)
        assert await fbe.state(CANCELLATION, row) == "synced"
        assert report.requests == {"order/read": 1}


class TestTheWindowOfAFinalizedOrder:
    @pytest.mark.parametrize(("hours", "status"), [(47, 0), (49, 4)])
    async def test_48_hours_count_from_its_finalization(
        self, shop: Shop, hours: int, status: int
    ) -> None:
        times = {"finalization_date": ago(hours=hours), "modified": ago(hours=1)}
        shop.market.add_order({"id": ORDER, "status": 4, **times})
        await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert order(shop)["status"] == status

    @pytest.mark.parametrize(("hours", "status"), [(47, 0), (49, 4)])
    async def test_or_from_its_last_change_where_that_is_missing(
        self, shop: Shop, hours: int, status: int
    ) -> None:
        times = {"finalization_date": None, "modified": ago(hours=hours)}
        shop.market.add_order({"id": ORDER, "status": 4, **times})
        await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert order(shop)["status"] == status

    async def test_past_it_a_plain_cancellation_is_refused_and_names_the_way_out_that_works(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 4, "finalization_date": ago(days=3)})
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "set refund_status to processing" in await shop.reason(CANCELLATION, row)
        assert "order/save" not in routes(shop)
        await shop.erp.update(CANCELLATION, row, refund_status="processing")
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert order(shop)["status"] == 5

    async def test_no_part_of_it_is_cancelled_where_no_refund_is_asked_for(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 4, "products": LINES})
        row = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001"})
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "refund_status" in await shop.reason(CANCELLATION, row)
        assert pieces(shop) == {MUG: 3, JUICE: 1}

    @pytest.mark.parametrize(
        ("status", "items", "columns", "ends"),
        [
            (4, [], {}, (0, {MUG: 3, JUICE: 1})),
            (4, [], {"refund_status": "processing"}, (5, {MUG: 0, JUICE: 0})),
            (4, [{"product_id": "1001"}], {"refund_status": "processing"}, (4, {MUG: 2, JUICE: 1})),
            (3, [{"product_id": "1001"}], {}, (3, {MUG: 2, JUICE: 1})),
        ],
        ids=["cancelled", "stornoed", "stornoed in part", "cancelled in part"],
    )
    async def test_that_it_was_stornoed_in_part_before_changes_nothing(
        self,
        shop: Shop,
        status: int,
        items: list[dict[str, Any]],
        columns: dict[str, Any],
        ends: tuple[int, dict[int, int]],
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": status, "products": LINES, "is_storno": True})
        row = await shop.erp.add(CANCELLATION, ORDER, *items, **columns)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert (order(shop)["status"], pieces(shop)) == ends

    async def test_it_is_past_when_a_request_could_arrive_too_late(self, shop: Shop) -> None:
        timings = shop.channel.timings
        slowest = timings.copy_age + timings.budget_wait
        for each, left in enumerate((slowest - 5, slowest + 60)):
            times = {"finalization_date": ago(hours=48, seconds=-left)}
            shop.market.add_order({"id": ORDER + each, "status": 4, **times})
            await shop.erp.add(CANCELLATION, ORDER + each)
        await shop.run(CANCELLATION)
        assert [order(shop, ORDER + each)["status"] for each in (0, 1)] == [4, 0]


class TestOrdersWithVeryManyLines:
    """All fields are sent back, and eMAG takes 4,000 values a request (API facts: size limits)."""

    @pytest.mark.parametrize("status", [1, 2])
    async def test_one_that_no_request_can_hold_is_refused_before_any_leaves(
        self, shop: Shop, status: int
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": status, "products": LINES[:1] * 200})
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        reason = await shop.reason(CANCELLATION, row)
        assert reason.startswith(f"Order {ORDER} at status {status}")
        assert "eMAG takes 4,000. Do it in eMAG's panel, then replay this row." in reason
        assert set(routes(shop)) == {"order/read"}

        if status == 1:
            shop.market.panel_acknowledges(ORDER)
        shop.market.panel_cancels(ORDER)
        await shop.replay(CANCELLATION, row)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"

    async def test_one_that_a_request_can_just_hold_goes_alone(self, shop: Shop) -> None:
        found = shop.market.add_order({"id": ORDER, "status": 2, "products": LINES[:1]})
        filling = 3900 - elements(found)
        found["flags"] = [{"flag": "x"}] * filling
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)
