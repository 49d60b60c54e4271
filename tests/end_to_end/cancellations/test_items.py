"""Parts of an order are cancelled: which line an item means, and how much of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.cancellations.cancelling import (
    CANCELLATION,
    JUICE,
    LINES,
    MUG,
    ORDER,
    cancelled,
    order,
    pieces,
    routes,
)
from tests.end_to_end.conftest import Shop

GONE = ("DELETE FROM app.cancellation_items", "TRUNCATE app.cancellation_items")


class TestItems:
    @pytest.mark.parametrize(
        "item",
        [
            {"emag_item_id": str(JUICE), "product_id": "1001", "sku": "CANA-350"},
            {"product_id": "1002", "sku": "CANA-350"},
            {"sku": "SUC-1L"},
        ],
        ids=["by order line", "else by product", "else by sku"],
    )
    async def test_an_item_is_matched_by_its_line_its_product_or_its_sku(
        self, shop: Shop, item: dict[str, str]
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        row = await shop.erp.add(CANCELLATION, ORDER, item)
        await shop.run(CANCELLATION)
        assert pieces(shop) == {MUG: 3, JUICE: 0}
        books = await shop.books(CANCELLATION, row)
        assert (books["sync_state"], books["emag_status"]) == ("synced", "partially_canceled")
        assert books["emag_cancellation_id"] == str(ORDER)

    async def test_a_smaller_quantity_reduces_its_line(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 3, "products": LINES})
        row = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": 2})
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert pieces(shop) == {MUG: 1, JUICE: 1}
        assert order(shop)["status"] == 3

    async def test_a_whole_line_gets_status_0(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": 3})
        await shop.run(CANCELLATION)
        mug = order(shop)["products"][0]
        assert (mug["status"], order(shop)["status"]) == (0, 2)

    async def test_without_a_quantity_the_whole_line_is_meant(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": None})
        await shop.run(CANCELLATION)
        assert pieces(shop) == {MUG: 0, JUICE: 1}

    async def test_items_of_one_line_add_up(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001"}, {"sku": "CANA-350"})
        await shop.run(CANCELLATION)
        assert pieces(shop) == {MUG: 1, JUICE: 1}

    async def test_part_of_a_new_order_is_cancelled_after_the_acknowledgement(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 1, "products": LINES})
        row = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1002"})
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert pieces(shop) == {MUG: 3, JUICE: 0}
        assert routes(shop) == ["order/read", "order/acknowledge", "order/read", "order/save"]

    async def test_items_that_cover_the_order_cancel_it(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        items = ({"product_id": "1001", "quantity": 3}, {"product_id": "1002", "quantity": 1})
        row = await shop.erp.add(CANCELLATION, ORDER, *items, reason="other")
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)
        assert order(shop)["reason_cancellation"]["id"] == 34

    async def test_lines_that_were_gone_at_the_first_read_need_no_cover(self, shop: Shop) -> None:
        gone = {**LINES[1], "status": 0}
        shop.market.add_order({"id": ORDER, "status": 2, "products": [LINES[0], gone]})
        row = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": 3})
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)

    async def test_whether_items_cover_the_order_is_judged_against_the_first_read(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        row = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": 3})
        await shop.run(CANCELLATION)
        await shop.sql("UPDATE app.cancellation_items SET product_id = '1002', quantity = 1")
        await shop.run(CANCELLATION)
        assert order(shop)["status"] == 2
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "less than was cancelled" in await shop.reason(CANCELLATION, row)

    async def test_an_item_added_later_takes_off_what_is_still_missing(self, shop: Shop) -> None:
        lines = [*LINES, {"id": 13, "product_id": "1003", "quantity": 1}]
        shop.market.add_order({"id": ORDER, "status": 2, "products": lines})
        row = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": 2})
        await shop.run(CANCELLATION)
        await shop.erp.insert(
            "cancellation_items", cancellation_request_id=row, product_id="1002", quantity=1
        )
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert pieces(shop) == {MUG: 1, JUICE: 0, 13: 1}

    async def test_items_that_cover_the_order_in_the_end_cancel_it(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        row = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": 3})
        await shop.run(CANCELLATION)
        await shop.erp.insert(
            "cancellation_items", cancellation_request_id=row, product_id="1002", quantity=1
        )
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)

    async def test_two_cancellations_of_one_order_take_their_parts_one_after_the_other(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        first = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": 1})
        second = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": 1})
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, first) == "synced"
        assert await shop.state(CANCELLATION, second) == "synced"
        assert pieces(shop) == {MUG: 1, JUICE: 1}

    @pytest.mark.parametrize("how", GONE)
    async def test_one_that_loses_its_items_before_it_is_carried_asks_a_person(
        self, shop: Shop, how: str
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        item = {"product_id": "1001", "quantity": 1}
        row = await shop.erp.add(CANCELLATION, ORDER, item)
        shop.market.faults.add("order/read", kind="forbidden")
        await shop.run(CANCELLATION)
        await shop.sql(how)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "waiting:person"
        assert "put its items back" in await shop.reason(CANCELLATION, row)
        assert order(shop)["status"] == 2
        await shop.erp.insert("cancellation_items", cancellation_request_id=row, **item)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert pieces(shop) == {MUG: 2, JUICE: 1}

    @pytest.mark.parametrize("how", GONE)
    async def test_one_that_loses_its_items_after_it_was_carried_asks_a_person(
        self, shop: Shop, how: str
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        row = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": 1})
        await shop.run(CANCELLATION)
        await shop.erp.update(CANCELLATION, row, status="completed")
        await shop.run(CANCELLATION)
        await shop.sql(how)
        await shop.run(CANCELLATION)
        await shop.replay(CANCELLATION, row)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "waiting:person"
        assert (order(shop)["status"], pieces(shop)) == (2, {MUG: 2, JUICE: 1})

    async def test_one_whose_only_item_was_wrong_and_is_removed_asks_a_person(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        row = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "9999", "sku": "NICIUNA"})
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        await shop.sql(GONE[0])
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "waiting:person"
        assert order(shop)["status"] == 2

    async def test_a_new_one_without_items_cancels_the_order_all_the_same(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": 1})
        await shop.run(CANCELLATION)
        await shop.sql(GONE[0])
        await shop.run(CANCELLATION)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)

    @pytest.mark.parametrize(
        ("item", "said"),
        [
            ({"product_id": "9999", "sku": "NICIUNA"}, "9999"),
            ({"product_id": "1001", "quantity": 4}, "only had 3"),
        ],
        ids=["of no line", "of more than there is"],
    )
    async def test_an_item_that_does_not_fit_is_refused_by_name(
        self, shop: Shop, item: dict[str, Any], said: str
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        row = await shop.erp.add(CANCELLATION, ORDER, item)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert said in await shop.reason(CANCELLATION, row)
        assert "order/save" not in routes(shop)

    async def test_an_item_that_fits_several_lines_is_refused_and_names_them(
        self, shop: Shop
    ) -> None:
        twice = [LINES[0], {**LINES[0], "id": 13}, LINES[1]]
        shop.market.add_order({"id": ORDER, "status": 2, "products": twice})
        row = await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001"})
        await shop.run(CANCELLATION)
        reason = await shop.reason(CANCELLATION, row)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert (str(MUG) in reason, "13" in reason, "emag_item_id" in reason) == (True,) * 3
