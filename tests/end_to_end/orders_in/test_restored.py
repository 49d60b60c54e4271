"""Cancelled orders that come back at eMAG."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.end_to_end.conftest import QUICK, Shop
from tests.end_to_end.orders_in.conftest import (
    ALL,
    CANCELLATION,
    JUICE,
    MUG,
    ORDER,
    an_order,
    at_emag,
    carry_out,
    changes,
    mirrored,
    receive,
    rows,
    told,
    writes,
)


class TestAnOrderThatComesBack:
    async def test_makes_the_row_of_its_cancellation_cancelled(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        assert row["status"] == "cancelled"
        assert row["internal_notes"] == f"eMAG: order {ORDER} is in progress again"
        assert await changes(shop) == 0

    async def test_and_is_cancelled_again_gets_a_new_row(self, shop: Shop) -> None:
        an_order(shop)
        for _ in range(2):
            shop.market.panel_cancels(ORDER)
            await receive(shop)
            shop.market.panel_restores(ORDER)
            await receive(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await told(shop) == [("cancelled", ALL), ("cancelled", ALL), ("completed", ALL)]

    async def test_keeps_what_it_had_lost_before(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.panel_removes(ORDER, "1001", 1)
        await receive(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        assert await told(shop) == [
            ("completed", {MUG: 1}),
            ("cancelled", {MUG: 2, JUICE: 1}),
        ]

    async def test_after_the_erp_cancelled_it_is_shown_to_a_person(self, shop: Shop) -> None:
        an_order(shop)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await carry_out(shop)
        await receive(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert await shop.reason(CANCELLATION, row) == (
            f"order {ORDER} is in progress at eMAG again, the ERP holds it as cancelled: replay the"
            " cancellation to cancel the order once more, or set it to cancelled"
        )
        shop.market.journal.clear()
        await shop.run(CANCELLATION)
        await receive(shop)
        assert writes(shop) == []
        assert (await mirrored(shop))["owed"] is False

    @pytest.mark.parametrize("was_told", [True, False])
    async def test_is_not_cancelled_again_because_the_erp_keeps_its_books(
        self, shop: Shop, was_told: bool
    ) -> None:
        an_order(shop)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await carry_out(shop)
        await receive(shop)
        shop.market.panel_restores(ORDER)
        if was_told:
            await receive(shop)
        shop.market.journal.clear()
        await shop.erp.update(CANCELLATION, row, status="completed", refund_status="completed")
        await carry_out(shop)
        assert writes(shop) == []
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "replay the cancellation" in await shop.reason(CANCELLATION, row)
        await shop.replay(CANCELLATION, row)
        await carry_out(shop)
        assert (writes(shop), at_emag(shop)["status"]) == (["order/save"], 0)
        assert await shop.state(CANCELLATION, row) == "synced"

    async def test_and_is_cancelled_by_somebody_else_agrees_with_the_row_that_was_refused(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await carry_out(shop)
        shop.market.panel_restores(ORDER)
        await shop.erp.update(CANCELLATION, row, status="completed")
        await carry_out(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert len(await rows(shop)) == 1

    async def test_whose_pieces_alone_had_been_cancelled_loses_none_by_bookkeeping(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        row = await shop.erp.add(CANCELLATION, ORDER, {"emag_item_id": str(MUG), "quantity": 1})
        await carry_out(shop)
        at_emag(shop)["products"][0]["quantity"] = 3
        shop.market.journal.clear()
        await shop.erp.update(CANCELLATION, row, status="completed")
        await carry_out(shop)
        assert writes(shop) == []
        assert await shop.state(CANCELLATION, row) == "refused"
        await shop.sql("UPDATE app.cancellation_items SET quantity = 2")
        await carry_out(shop)
        assert at_emag(shop)["products"][0]["quantity"] == 1
        assert await shop.state(CANCELLATION, row) == "synced"

    async def test_before_anybody_saw_that_it_was_cancelled_is_noticed(self, shop: Shop) -> None:
        an_order(shop)
        await receive(shop)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await carry_out(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        assert await shop.state(CANCELLATION, row) == "refused"

    async def test_is_cancelled_once_more_by_a_replay(self, shop: Shop) -> None:
        an_order(shop)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await carry_out(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        await shop.replay(CANCELLATION, row)
        await carry_out(shop)
        await receive(shop)
        assert at_emag(shop)["status"] == 0
        assert await shop.state(CANCELLATION, row) == "synced"
        assert len(await rows(shop)) == 1

    async def test_and_is_cancelled_at_emag_again_agrees_with_the_erps_row(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await carry_out(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert len(await rows(shop)) == 1

    async def test_only_seemingly_because_a_read_lags_is_no_contradiction(self, shop: Shop) -> None:
        an_order(shop)
        await receive(shop)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        await shop.sql(
            "UPDATE app.emag_api_calls SET sent_at = sent_at - interval '9 s',"
            " closed_at = closed_at - interval '9 s'"
        )
        shop.market.faults.add("order/read", kind="stale", effects=1)
        timings = replace(QUICK, settle=120.0)
        await receive(shop, timings=timings)
        assert await shop.state(CANCELLATION, row) == "synced"
