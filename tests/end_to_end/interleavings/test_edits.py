"""The ERP changes its rows while a worker is on its way with them."""

from __future__ import annotations

import pytest

from integrations.ledger.points import Point
from tasks.call import call_emag
from tasks.persist import persist_answers
from tests.end_to_end.conftest import Shop
from tests.end_to_end.interleavings.meanwhile import (
    AFTER_THE_INTENT,
    BEFORE_THE_INTENT,
    CANCELLATION,
    CANCELLED,
    ON_THE_WAY,
    ORDER,
    OTHER,
    done_to,
    one_of_five,
    stopped,
    whole,
)
from tests.end_to_end.test_spine import RESTING, claimed, folded, later, requests, state

GONE = {
    "deleted": "DELETE FROM app.cancellation_requests",
    "truncated": "TRUNCATE app.cancellation_requests CASCADE",
}


class TestEdits:
    @pytest.mark.parametrize("point", BEFORE_THE_INTENT)
    async def test_an_edit_before_the_intent_is_what_is_carried(
        self, shop: Shop, point: Point
    ) -> None:
        row = await one_of_five(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.sql("UPDATE app.cancellation_items SET quantity = 2")
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "synced"
        assert done_to(shop) == [("order.line", 5, 3)]

    @pytest.mark.parametrize("point", AFTER_THE_INTENT)
    async def test_an_edit_after_the_intent_is_measured_from_what_was_first_read(
        self, shop: Shop, point: Point
    ) -> None:
        row = await one_of_five(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.sql("UPDATE app.cancellation_items SET quantity = 2")
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "synced"
        assert done_to(shop) == [("order.line", 5, 4), ("order.line", 4, 3)]

    async def test_items_written_a_moment_after_their_cancellation_do_not_cost_the_whole_order(
        self, shop: Shop
    ) -> None:
        line = {"product_id": "1001", "quantity": 5}
        shop.market.add_order({"id": ORDER, "status": 2, "products": [line]})
        row = await shop.erp.add(CANCELLATION, ORDER)
        await one_pass(shop)
        await later(shop, 29)
        await shop.erp.insert(
            "cancellation_items",
            cancellation_request_id=row,
            product_id="1001",
            unit_price=1,
            total_amount=1,
        )
        await one_pass(shop)
        await later(shop, 31)
        await one_pass(shop)
        assert await state(shop, row) == "synced"
        assert done_to(shop) == [("order.line", 5, 4)]


class TestFolding:
    @pytest.mark.parametrize("point", ON_THE_WAY)
    async def test_a_fold_while_the_row_is_leased_only_raises_what_is_wanted(
        self, shop: Shop, point: Point
    ) -> None:
        row = await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.erp.update(CANCELLATION, row, reason="other")
            assert await folded(shop) == 1
            assert (await claimed(shop)).works == []
        await shop.run(CANCELLATION)
        books = await shop.books(CANCELLATION, row)
        assert books["sync_state"] == "synced"
        assert (books["wanted_revision"], books["synced_revision"]) == (2, 2)
        assert done_to(shop) == CANCELLED


class TestWithdrawals:
    @pytest.mark.parametrize("point", BEFORE_THE_INTENT)
    async def test_before_the_intent_nothing_is_sent(self, shop: Shop, point: Point) -> None:
        row = await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.erp.update(CANCELLATION, row, status="rejected")
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "withdrawn"
        assert requests(shop, "order/save") == 0

    @pytest.mark.parametrize("point", AFTER_THE_INTENT)
    async def test_after_the_intent_it_is_refused_with_both_sides_shown(
        self, shop: Shop, point: Point
    ) -> None:
        row = await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.erp.update(CANCELLATION, row, status="rejected")
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "refused"
        reason = await shop.reason(CANCELLATION, row)
        assert "rejected" in reason
        assert "0 canceled" in reason
        assert done_to(shop) == CANCELLED

    @pytest.mark.parametrize("how", GONE)
    @pytest.mark.parametrize("point", BEFORE_THE_INTENT)
    async def test_a_row_that_is_gone_before_the_intent_is_withdrawn(
        self, shop: Shop, point: Point, how: str
    ) -> None:
        row = await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await gone(shop, how)
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "withdrawn"
        assert requests(shop, "order/save") == 0

    @pytest.mark.parametrize("how", GONE)
    @pytest.mark.parametrize("point", AFTER_THE_INTENT)
    async def test_a_row_that_is_gone_after_the_intent_is_settled_all_the_same(
        self, shop: Shop, point: Point, how: str
    ) -> None:
        await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await gone(shop, how)
        await shop.run(CANCELLATION)
        books = "SELECT sync_state, write_back FROM app.emag_cancellation_integrations"
        assert await shop.sql(books) == [{"sync_state": "synced", "write_back": None}]
        assert done_to(shop) == CANCELLED


class TestOrderIds:
    @pytest.mark.parametrize("point", BEFORE_THE_INTENT)
    async def test_a_row_that_names_another_order_before_the_intent_is_carried_there(
        self, shop: Shop, point: Point
    ) -> None:
        shop.market.add_order({"id": OTHER, "status": 2})
        row = await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.erp.update(CANCELLATION, row, emag_order_id=str(OTHER))
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "synced"
        assert (done_to(shop), done_to(shop, OTHER)) == ([], CANCELLED)

    @pytest.mark.parametrize("fold", [False, True])
    @pytest.mark.parametrize("point", AFTER_THE_INTENT)
    async def test_a_row_that_names_another_order_after_the_intent_is_a_persons_matter(
        self, shop: Shop, point: Point, fold: bool
    ) -> None:
        shop.market.add_order({"id": OTHER, "status": 2})
        row = await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.erp.update(CANCELLATION, row, emag_order_id=str(OTHER))
            if fold:
                await folded(shop)
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "refused"
        assert str(ORDER) in await shop.reason(CANCELLATION, row)
        assert (done_to(shop), done_to(shop, OTHER)) == (CANCELLED, [])


async def one_pass(shop: Shop) -> None:
    """What a run does in one round, with rows that must rest for half a minute."""
    await folded(shop, RESTING)
    batch = await claimed(shop)
    await call_emag(shop.channel, batch)
    await persist_answers(shop.channel, batch)


async def gone(shop: Shop, how: str) -> None:
    """The ERP's cancellations are no more."""
    await shop.sql(GONE[how])
