"""An order is cancelled whole, with its reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.emag.reasons import ERP_REASONS
from integrations.ledger.books import State
from integrations.sandbox.faults import Fault, Faults, Point
from integrations.sandbox.moves import move_order
from integrations.sync.plan_cancellations import Policy
from tests.end_to_end.cancellations.cancelling import CANCELLATION, ORDER, cancelled, order, routes
from tests.end_to_end.conftest import Shop


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
