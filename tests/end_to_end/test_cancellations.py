"""Cancellations, from an ERP row to eMAG and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.emag.reasons import ERP_REASONS
from integrations.erp.rows import Kind
from integrations.ledger.books import State
from integrations.sandbox.faults import Fault, Faults, Point
from integrations.sandbox.moves import move_order
from integrations.sync.plan_cancellations import Policy
from tests.end_to_end.conftest import Shop

CANCELLATION = Kind.CANCELLATION
ORDER = 480000101
CARD = 3

MUG, JUICE = 11, 12
LINES = [
    {"id": MUG, "product_id": "1001", "quantity": 3},
    {"id": JUICE, "product_id": "1002", "quantity": 1},
]


class Meanwhile(Faults):
    """Somebody else acts at eMAG in the very moment when a request to a route arrives."""

    def __init__(self, route: str, act: Callable[[], object]) -> None:
        super().__init__()
        self._route = route
        self._acts = [act]

    def consult(self, point: Point, route: str) -> Fault | None:
        if point == "before_effect" and route == self._route and self._acts:
            self._acts.pop()()
        return super().consult(point, route)


def order(shop: Shop, order_id: int = ORDER) -> dict[str, Any]:
    found = shop.market.orders.get(order_id)
    assert found is not None
    return found


def pieces(shop: Shop, order_id: int = ORDER) -> dict[int, int]:
    """What is left of each line of an order."""
    lines = order(shop, order_id)["products"]
    return {line["id"]: line["quantity"] if line["status"] else 0 for line in lines}


def routes(shop: Shop) -> list[str]:
    return [request.route for request in shop.market.journal.requests]


def ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


async def cancelled(shop: Shop, row: int, order_id: int = ORDER) -> bool:
    """Whether a row is synced, and its whole order cancelled."""
    books = await shop.books(CANCELLATION, row)
    synced = (books["sync_state"], books["emag_status"]) == ("synced", "canceled")
    return synced and order(shop, order_id)["status"] == 0


class TestAWholeOrder:
    async def test_an_order_in_progress_is_cancelled_with_its_reason_in_two_requests(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, reason="inventory_unavailable")
        report = await shop.run(CANCELLATION)
        assert await cancelled(shop, row)
        assert order(shop)["reason_cancellation"]["id"] == 33
        assert report.requests == {"order/read": 1, "order/save": 1}

    async def test_a_prepared_order_is_cancelled(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 3})
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)

    async def test_a_new_order_is_acknowledged_and_read_again_first_in_four_requests(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 1})
        row = await shop.erp.add(CANCELLATION, ORDER)
        report = await shop.run(CANCELLATION)
        assert await cancelled(shop, row)
        assert routes(shop) == ["order/read", "order/acknowledge", "order/read", "order/save"]
        assert sum(report.requests.values()) == 4

    async def test_what_emag_changed_at_the_acknowledgement_is_what_is_saved_back(
        self, shop: Shop
    ) -> None:
        new = shop.market.add_order({"id": ORDER, "status": 1})
        shop.market.faults = Meanwhile(
            "order/acknowledge", lambda: new.update(delivery_mode="pickup")
        )
        await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        [saved] = await shop.sent("order/save")
        assert saved["delivery_mode"] == "pickup"

    @pytest.mark.parametrize("status", [200, 400])
    async def test_an_order_that_somebody_acknowledges_first_is_cancelled_all_the_same(
        self, shop: Shop, status: int
    ) -> None:
        shop.switch(acknowledge_twice=status)
        new = shop.market.add_order({"id": ORDER, "status": 1})
        shop.market.faults = Meanwhile(
            "order/acknowledge", lambda: move_order(shop.market, new, 2, by="emag")
        )
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)
        [late] = shop.market.journal.violations()
        assert late.route == "order/acknowledge"
        shop.market.journal.clear()

    async def test_a_new_order_that_its_customer_cancels_first_is_synced_without_a_save(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 1})
        shop.market.faults = Meanwhile(
            "order/acknowledge", lambda: shop.market.customer_asks_to_cancel(ORDER)
        )
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)
        assert "order/save" not in routes(shop)
        shop.market.journal.clear()  # nobody could know that the acknowledgement came too late

    async def test_many_orders_in_progress_cost_a_page_and_a_few_saves(self, shop: Shop) -> None:
        orders = range(ORDER, ORDER + 40)
        shop.market.add_orders({"id": order_id, "status": 2} for order_id in orders)
        for order_id in orders:
            await shop.erp.add(CANCELLATION, order_id)
        report = await shop.run(CANCELLATION)
        assert report.rows[State.SYNCED] == 40
        assert report.requests["order/read"] == 1
        assert sum(report.requests.values()) <= 0.3 * 40


class TestReasons:
    async def test_each_word_of_the_erp_has_its_reason_at_emag(self, shop: Shop) -> None:
        expected = {
            "customer_request": 24,
            "payment_failed": 19,
            "inventory_unavailable": 33,
            "shipping_delay": 32,
            "fraud_suspected": 29,
            "administrative": 31,
            "other": 34,
        }
        orders = {word: ORDER + each for each, word in enumerate(expected)}
        for word, order_id in orders.items():
            shop.market.add_order({"id": order_id, "status": 2})
            await shop.erp.add(CANCELLATION, order_id, reason=word)
        await shop.run(CANCELLATION)
        found = {word: order(shop, each)["reason_cancellation"] for word, each in orders.items()}
        assert {word: reason["id"] for word, reason in found.items()} == expected

    async def test_a_seller_can_override_the_table(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        await shop.erp.add(CANCELLATION, ORDER, reason="administrative")
        await shop.run(CANCELLATION, policy=Policy(reasons={**ERP_REASONS, "administrative": 28}))
        assert order(shop)["reason_cancellation"]["id"] == 28

    async def test_an_unknown_word_is_refused_with_the_words_that_are_known(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, reason="moon_phase")
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "customer_request" in await shop.reason(CANCELLATION, row)
        assert "order/save" not in routes(shop)


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


class TestTheOrdersNumber:
    async def test_blanks_around_it_are_ignored(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, f"\t {ORDER}  ")
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)

    async def test_the_largest_number_is_an_order(self, shop: Shop) -> None:
        shop.market.add_order({"id": 4294967295, "status": 2})
        row = await shop.erp.add(CANCELLATION, 4294967295)
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row, 4294967295)

    async def test_what_is_no_number_of_an_order_is_refused_without_a_request(
        self, shop: Shop
    ) -> None:
        nonsense = [None, "", "  ", "abc", "0", "-5", "4294967296", "48000010.1", f"{ORDER} x"]
        rows = [await shop.erp.add(CANCELLATION, each) for each in nonsense]
        await shop.run(CANCELLATION)
        assert [await shop.state(CANCELLATION, row) for row in rows] == ["refused"] * len(rows)
        assert "emag_order_id" in await shop.reason(CANCELLATION, rows[3])
        assert shop.market.journal.requests == []

    async def test_one_that_emag_does_not_know_is_asked_for_as_both_types_and_refused(
        self, shop: Shop
    ) -> None:
        row = await shop.erp.add(CANCELLATION, ORDER)
        report = await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "not known at eMAG" in await shop.reason(CANCELLATION, row)
        assert report.requests == {"order/read": 2}


class TestWhatIsQueued:
    async def test_pending_and_approved_cancellations(self, shop: Shop) -> None:
        words = ["pending", "approved", "rejected", "processing", "completed", "cancelled", "?"]
        rows = {word: await shop.erp.add(CANCELLATION, ORDER, status=word) for word in words}
        shop.market.add_order({"id": ORDER, "status": 0})
        await shop.run(CANCELLATION)
        assert await shop.queued(CANCELLATION) == {rows["pending"], rows["approved"]}

    async def test_only_approved_ones_by_setting(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, status="pending")
        await shop.run(CANCELLATION, require_approval=True)
        assert await shop.queued(CANCELLATION) == set()
        await shop.erp.update(CANCELLATION, row, status="approved")
        await shop.run(CANCELLATION, require_approval=True)
        assert await cancelled(shop, row)

    async def test_once_queued_a_status_that_moves_on_does_not_withdraw(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        shop.market.faults.add("order/read", kind="forbidden")
        await shop.run(CANCELLATION)
        await shop.erp.update(CANCELLATION, row, status="completed")
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)


class TestWithdrawing:
    @pytest.mark.parametrize("word", ["rejected", "cancelled", None])
    async def test_before_anything_was_sent_the_row_is_withdrawn(
        self, shop: Shop, word: str | None
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        shop.market.faults.add("order/read", kind="forbidden")
        await shop.run(CANCELLATION)
        if word is None:
            await shop.erp.delete(CANCELLATION, row)
        else:
            await shop.erp.update(CANCELLATION, row, status=word)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "withdrawn"
        assert order(shop)["status"] == 2

    async def test_after_it_was_sent_the_row_is_refused_with_both_sides_shown(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        await shop.erp.update(CANCELLATION, row, status="rejected")
        report = await shop.run(CANCELLATION)
        reason = await shop.reason(CANCELLATION, row)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert ("rejected" in reason, "0 canceled" in reason) == (True, True)
        assert report.exit_code == 1

    async def test_a_row_deleted_while_its_answer_was_lost_is_refused_with_both_sides_shown(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        shop.market.faults.add("order/save", point="after_effect", kind="cut_body")
        await shop.run(CANCELLATION)
        await shop.erp.delete(CANCELLATION, row)
        await shop.later()
        await shop.run(CANCELLATION)
        reason = await shop.reason(CANCELLATION, row)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert ("deleted" in reason, "0 canceled" in reason) == (True, True)


class TestWhatIsWrittenDown:
    async def test_the_erp_learns_the_order_id_and_keeps_its_own_columns(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        before = await shop.erp.row(CANCELLATION, row)
        await shop.run(CANCELLATION)
        after = await shop.erp.row(CANCELLATION, row)
        assert after == {**before, "emag_cancellation_id": str(ORDER)}

    async def test_the_write_back_can_be_switched_off(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        before = await shop.erp.row(CANCELLATION, row)
        await shop.run(CANCELLATION, write_back=False)
        assert await shop.erp.row(CANCELLATION, row) == before
        assert (await shop.books(CANCELLATION, row))["emag_cancellation_id"] == str(ORDER)

    async def test_the_last_answer_and_the_reason_name_no_customer(self, shop: Shop) -> None:
        shop.market.add_order(
            {"id": ORDER, "status": 4, "payment_mode_id": CARD, "products": LINES}
        )
        shop.switch(card_partial_storno=False)
        row = await shop.erp.add(
            CANCELLATION, ORDER, {"product_id": "1001"}, refund_status="processing"
        )
        await shop.run(CANCELLATION)
        books = await shop.books(CANCELLATION, row)
        said = json.loads(books["emag_response"])
        assert (said["verdict"], said["http_status"]) == ("refused", 200)
        customer = order(shop)["customer"]
        written = books["emag_response"] + books["error_message"]
        assert [each for each in (customer["name"], customer["phone_1"]) if each in written] == []
        shop.market.journal.clear()

    async def test_an_erp_that_was_there_first_is_served_in_its_own_words(
        self, erp_first: Shop
    ) -> None:
        erp_first.market.add_order({"id": ORDER, "status": 4, "products": LINES})
        row = await erp_first.erp.add(
            CANCELLATION, ORDER, {"product_id": 1001, "quantity": 2}, refund_status="PROCESSING"
        )
        await erp_first.run(CANCELLATION)
        assert pieces(erp_first) == {MUG: 1, JUICE: 1}
        books = await erp_first.books(CANCELLATION, row)
        assert (books["sync_state"], books["emag_status"]) == ("synced", "partially_returned")
        written = await erp_first.erp.row(CANCELLATION, row)
        assert (written["emag_cancellation_id"], written["status"]) == (str(ORDER), "PENDING")


class TestAccounts:
    async def test_a_row_is_carried_by_the_account_it_names_in_any_case(
        self, shop: Shop, fbe: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 0, "type": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, account_type=" FBE ")
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "pending"
        assert shop.market.journal.requests == []
        await fbe.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"

    async def test_a_row_that_names_none_belongs_to_the_only_one(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, account_type=None)
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)

    async def test_a_row_of_an_unknown_account_waits_for_it(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, account_type="outlet")
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "waiting:account"
        assert "outlet" in await shop.reason(CANCELLATION, row)
        await shop.erp.update(CANCELLATION, row, account_type="main")
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)

    @pytest.mark.parametrize("gone", ["DELETE FROM", "TRUNCATE"])
    async def test_a_row_of_an_unknown_account_that_is_deleted_is_withdrawn(
        self, shop: Shop, gone: str
    ) -> None:
        row = await shop.erp.add(CANCELLATION, ORDER, account_type="outlet")
        await shop.run(CANCELLATION)
        cascade = "CASCADE" if gone == "TRUNCATE" else ""
        await shop.sql(f"{gone} app.cancellation_requests {cascade}")
        await shop.run(CANCELLATION)
        found = await shop.sql("SELECT * FROM app.emag_cancellation_integrations")
        assert [(each["cancellation_request_id"], each["sync_state"]) for each in found] == [
            (row, "withdrawn")
        ]

    async def test_a_row_whose_account_is_configured_later_is_carried_then(
        self, shop: Shop, fbe: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 0, "type": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, account_type="fbe")
        await shop.run(CANCELLATION, accounts={"main": shop.channel.account})
        assert await shop.state(CANCELLATION, row) == "waiting:account"
        await shop.later()
        await fbe.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"


DISAGREEING: Mapping[str, Mapping[str, Any]] = {
    "usual": {},
    "unknown fields": {"unknown_fields": True},
    "numbers as texts": {"strings_for_numbers": True, "unknown_fields": True},
    "product ids as numbers": {"product_id_numbers": True},
    "empty objects": {"empty_objects": "object", "empty_reason": "object"},
    "empty nulls": {"empty_objects": "null", "empty_reason": "list"},
    "dropped lines": {"zero_lines": "dropped", "missing_lines": "keep"},
    "lax": {"require_all_fields": False, "reason_required": False, "echo_reason_object": True},
    "strict": {"null_filters": "refused", "clip_page_size": False, "message_key": "message"},
    "restless pages": {"page_shift": True, "order_read_default_type": None},
}


@pytest.mark.parametrize("switches", DISAGREEING.values(), ids=DISAGREEING.keys())
async def test_the_same_happens_whichever_way_emag_behaves(
    shop: Shop, switches: Mapping[str, Any]
) -> None:
    """Every field that was read goes back: the sandbox refuses a save that lacks or bends one."""
    shop.switch(**switches)
    wishes: list[tuple[int, list[dict[str, Any]], dict[str, Any]]] = [
        (1, [], {}),
        (2, [{"product_id": "1001", "quantity": 1}], {}),
        (3, [{"product_id": "1002"}], {}),
        (4, [], {"refund_status": "processing"}),
        (4, [{"product_id": "1002"}], {"refund_status": "processing"}),
        (0, [], {}),
    ]
    rows = []
    for each, (status, items, columns) in enumerate(wishes):
        lines = [{**line, "id": line["id"] + 100 * each} for line in LINES]  # type: ignore[operator]
        shop.market.add_order({"id": ORDER + each, "status": status, "products": lines})
        rows.append(await shop.erp.add(CANCELLATION, ORDER + each, *items, **columns))
    await shop.run(CANCELLATION)
    for row in rows:
        await shop.replay(CANCELLATION, row)
    await shop.run(CANCELLATION)
    states = [await shop.books(CANCELLATION, row) for row in rows]
    assert [(books["sync_state"], books["emag_status"]) for books in states] == [
        ("synced", "canceled"),
        ("synced", "partially_canceled"),
        ("synced", "partially_canceled"),
        ("synced", "returned"),
        ("synced", "partially_returned"),
        ("synced", "canceled"),
    ]
    assert [order(shop, ORDER + each)["status"] for each in range(6)] == [0, 2, 3, 5, 4, 0]
    left = [sum(pieces(shop, ORDER + each).values()) for each in (1, 2, 4)]
    assert left == [3, 3, 3]
    assert list(shop.market.journal.repeated()) == []
