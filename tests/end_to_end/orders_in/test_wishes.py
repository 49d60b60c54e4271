"""A customer's wish to cancel becomes a cancellation that the ERP decides."""

from __future__ import annotations

import pytest

from integrations.erp.schema import ErpSchema
from integrations.ledger.arrivals import Arrival, Arrived, bring_in
from integrations.ledger.engine import Engine
from integrations.ledger.mirror_orders import owe
from integrations.ledger.points import Point
from tests.end_to_end.conftest import Shop
from tests.end_to_end.interleavings.meanwhile import stopped
from tests.end_to_end.orders_in.conftest import (
    CANCELLATION,
    ORDER,
    an_order,
    at_emag,
    carry_out,
    changes,
    long_ago,
    mirrored,
    number,
    receive,
    rows,
    writes,
)


async def _dies(*_: object) -> None:
    raise RuntimeError("killed")


class TestACustomersWish:
    async def test_becomes_a_pending_cancellation_for_the_erp_to_decide(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        assert row["cancellation_number"] == number(shop)
        assert (row["status"], row["reason"]) == ("pending", "customer_request")
        assert (await mirrored(shop))["wish_at"] is not None

    async def test_waits_for_an_approval_where_that_is_required(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        await shop.run(CANCELLATION, require_approval=True)
        assert writes(shop) == []
        [row] = await rows(shop)
        await shop.erp.update(CANCELLATION, row["id"], status="approved")
        await shop.run(CANCELLATION, require_approval=True)
        assert at_emag(shop)["status"] == 0

    async def test_is_carried_out_like_every_pending_cancellation_otherwise(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        await carry_out(shop)
        assert at_emag(shop)["status"] == 0
        await receive(shop)
        assert [row["status"] for row in await rows(shop)] == ["completed"]
        assert await changes(shop) == 0

    async def test_that_emag_fulfils_is_told_the_same_row_as_completed(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        await shop.run(CANCELLATION, require_approval=True)
        shop.market.panel_cancels(ORDER, 24)
        await receive(shop)
        [row] = await rows(shop)
        assert (row["status"], row["emag_cancellation_id"]) == ("completed", str(ORDER))
        assert row["reason_description"] == "eMAG 24: by the customer's request"

    async def test_is_told_once(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        await shop.erp.delete(CANCELLATION, row["id"])
        at_emag(shop)["payment_status"] = 1
        await receive(shop)
        assert await rows(shop) == []

    async def test_that_the_erp_has_deleted_is_not_told_again_when_its_order_is_owed(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        await shop.erp.delete(CANCELLATION, row["id"])
        await owe(shop.channel.engine, shop.channel.account.platform, [ORDER])
        await receive(shop)
        await carry_out(shop)
        assert (await rows(shop), writes(shop)) == ([], [])

    async def test_that_the_erp_turned_down_under_a_number_of_its_own_is_not_told_again(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        own = {"cancellation_number": "C-1", "status": "rejected"}
        await shop.erp.update(CANCELLATION, row["id"], **own)
        await owe(shop.channel.engine, shop.channel.account.platform, [ORDER])
        await receive(shop)
        await carry_out(shop)
        assert [each["status"] for each in await rows(shop)] == ["rejected"]
        assert writes(shop) == []

    async def test_that_a_run_died_behind_is_not_told_again(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        with monkeypatch.context() as patched:
            patched.setattr("integrations.sync.receive_orders.settle_orders", _dies)
            with pytest.raises(RuntimeError, match="killed"):
                await receive(shop)
        [row] = await rows(shop)
        await shop.erp.delete(CANCELLATION, row["id"])
        await receive(shop)
        assert await rows(shop) == []

    async def test_that_the_customer_takes_back_and_has_again_is_a_new_one(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        await shop.erp.delete(CANCELLATION, row["id"])
        at_emag(shop)["cancellation_request"] = None
        await receive(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        assert [each["status"] for each in await rows(shop)] == ["pending"]

    async def test_that_the_erp_turns_down_asks_nothing_of_emag(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        await shop.erp.update(CANCELLATION, row["id"], status="rejected")
        await shop.run(CANCELLATION)
        at_emag(shop)["payment_status"] = 1
        await receive(shop)
        assert writes(shop) == []
        assert [each["status"] for each in await rows(shop)] == ["rejected"]

    async def test_about_an_order_that_the_erp_cancels_already_is_no_news(self, shop: Shop) -> None:
        an_order(shop)
        await shop.erp.add(CANCELLATION, ORDER)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        assert len(await rows(shop)) == 1

    async def test_about_an_order_that_emag_fulfils_is_emags_to_decide(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "type": 2})
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        assert await rows(shop) == []


class TestAWishThatTheCustomerTakesBack:
    @pytest.mark.parametrize("require_approval", [True, False])
    async def test_cancels_nothing_and_its_row_says_so(
        self, shop: Shop, require_approval: bool
    ) -> None:
        await _wish(shop)
        await _think_better(shop)
        await receive(shop)
        await carry_out(shop, require_approval=require_approval)
        [row] = await rows(shop)
        assert (row["status"], row["internal_notes"]) == (
            "cancelled",
            "eMAG: the customer asks no more to cancel the order",
        )
        assert (writes(shop), at_emag(shop)["status"]) == ([], 2)
        assert ((await mirrored(shop))["owed"], await changes(shop)) == (False, 0)
        await receive(shop)
        assert len(await rows(shop)) == 1

    async def test_is_not_sent_before_the_news_comes_in(self, shop: Shop) -> None:
        row = await _wish(shop)
        await _think_better(shop)
        await carry_out(shop)
        assert (writes(shop), await shop.state(CANCELLATION, row)) == ([], "waiting:person")
        assert "asks no more" in await shop.reason(CANCELLATION, row)
        await receive(shop)
        await carry_out(shop)
        assert (writes(shop), await shop.state(CANCELLATION, row)) == ([], "withdrawn")
        assert [each["status"] for each in await rows(shop)] == ["cancelled"]

    @pytest.mark.parametrize("first", ["in", "out"])
    async def test_after_the_order_was_acknowledged_for_it_waits_for_a_person(
        self, shop: Shop, first: str
    ) -> None:
        row = await _acknowledged(shop)
        for way in (receive, carry_out) if first == "in" else (carry_out, receive):
            await way(shop)
        assert (writes(shop), at_emag(shop)["status"]) == (["order/acknowledge"], 2)
        assert await shop.state(CANCELLATION, row) == "waiting:person"
        assert "asks no more" in await shop.reason(CANCELLATION, row)
        assert [each["status"] for each in await rows(shop)] == ["pending"]
        assert ((await mirrored(shop))["owed"], await changes(shop)) == (False, 0)

    async def test_after_the_order_was_acknowledged_for_it_is_put_right_by_a_person(
        self, shop: Shop
    ) -> None:
        row = await _acknowledged(shop)
        await shop.erp.update(CANCELLATION, row, status="cancelled")
        await carry_out(shop)
        await receive(shop)
        assert (writes(shop), at_emag(shop)["status"]) == (["order/acknowledge"], 2)
        assert await shop.state(CANCELLATION, row) == "refused"
        reason = await shop.reason(CANCELLATION, row)
        assert "set to cancelled in the ERP" in reason
        assert "2 in progress" in reason

    async def test_after_the_order_was_acknowledged_for_it_is_told_when_it_is_cancelled_at_last(
        self, shop: Shop
    ) -> None:
        row = await _acknowledged(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        await shop.later()
        await carry_out(shop)
        await receive(shop)
        assert [(each["id"], each["status"]) for each in await rows(shop)] == [(row, "completed")]
        assert writes(shop) == ["order/acknowledge"]
        assert await shop.state(CANCELLATION, row) == "synced"
        assert ((await mirrored(shop))["owed"], await changes(shop)) == (False, 0)

    async def test_after_the_order_was_acknowledged_for_it_has_no_part_in_a_refund(
        self, shop: Shop
    ) -> None:
        row = await _acknowledged(shop)
        shop.market.customer_pays(ORDER)
        shop.market.emag_refunds_order(ORDER, 5)
        await receive(shop)
        [held] = await rows(shop)
        assert (held["id"], held["refund_amount"], held["refund_processed"]) == (row, 0, False)
        assert (await mirrored(shop))["owed"] is False

    @pytest.mark.parametrize("first", ["in", "out"])
    async def test_but_the_erp_has_approved_is_a_persons_to_decide(
        self, shop: Shop, first: str
    ) -> None:
        row = await _wish(shop)
        await shop.erp.update(CANCELLATION, row, status="approved")
        await _think_better(shop)
        for way in (receive, carry_out) if first == "in" else (carry_out, receive):
            await way(shop)
        assert [each["status"] for each in await rows(shop)] == ["approved"]
        assert (writes(shop), await shop.state(CANCELLATION, row)) == ([], "waiting:person")
        assert "in progress" in await shop.reason(CANCELLATION, row)
        assert "approved in the ERP" in await shop.reason(CANCELLATION, row)
        assert (await mirrored(shop))["owed"] is False
        await shop.erp.update(CANCELLATION, row, status="cancelled")
        await shop.erp.add(CANCELLATION, ORDER)
        await carry_out(shop)
        assert await shop.state(CANCELLATION, row) == "withdrawn"
        assert at_emag(shop)["status"] == 0

    @pytest.mark.parametrize(
        "decision", [{"status": "approved"}, {"reason": "payment_failed"}, {"status": "rejected"}]
    )
    async def test_while_the_erp_decides_leaves_what_it_decided(
        self, shop: Shop, decision: dict[str, str]
    ) -> None:
        row = await _wish(shop)
        await _think_better(shop)

        async def bring(engine: Engine, schema: ErpSchema, arrival: Arrival) -> Arrived:
            await shop.erp.update(CANCELLATION, row, **decision)
            return await bring_in(engine, schema, arrival)

        await receive(shop, bring=bring)
        [held] = await rows(shop)
        assert decision.items() <= held.items()
        assert held["internal_notes"] is None
        await carry_out(shop)
        assert writes(shop) == []

    async def test_and_has_again_is_told_again(self, shop: Shop) -> None:
        await _wish(shop)
        await _think_better(shop)
        await receive(shop)
        await carry_out(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        assert [(each["status"], each["cancellation_number"]) for each in await rows(shop)] == [
            ("cancelled", number(shop)),
            ("pending", number(shop, "-2")),
        ]
        await carry_out(shop)
        assert at_emag(shop)["status"] == 0


async def _wish(shop: Shop) -> int:
    """The row of a customer's wish that the ERP was told of."""
    an_order(shop)
    shop.market.customer_asks_to_cancel(ORDER)
    await receive(shop)
    [row] = await rows(shop)
    return int(row["id"])


async def _acknowledged(shop: Shop) -> int:
    """A wish's row for which a new order was acknowledged when the customer took the wish back."""
    an_order(shop, status=1, cancellation_request=shop.market.local_now())
    await receive(shop)
    [row] = await rows(shop)
    async with stopped(shop.run(CANCELLATION), Point.NOTED):
        await _think_better(shop)
    await long_ago(shop)
    return int(row["id"])


async def _think_better(shop: Shop) -> None:
    at_emag(shop)["cancellation_request"] = None
    shop.market.touch(at_emag(shop))


class TestAWishThatCouldNotBeAnsweredWhenItWasSeen:
    async def test_is_told_when_the_cancelled_order_comes_back(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        assert [(each["status"], each["cancellation_number"]) for each in await rows(shop)] == [
            ("cancelled", number(shop)),
            ("pending", number(shop, "-2")),
        ]
        await receive(shop)
        assert len(await rows(shop)) == 2

    async def test_is_told_when_the_finalized_order_is_prepared_again(self, shop: Shop) -> None:
        an_order(shop, status=3)
        shop.market.customer_asks_to_cancel(ORDER)
        at_emag(shop)["status"] = 4
        await receive(shop)
        assert await rows(shop) == []
        at_emag(shop)["status"] = 3
        shop.market.touch(at_emag(shop))
        await receive(shop)
        assert [each["status"] for each in await rows(shop)] == ["pending"]
