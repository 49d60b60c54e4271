"""What the seller's people do in eMAG's web panel, and how returns end without the API."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.sandbox.market import Market

from .conftest import ORDER, RETURN, Clock, Seller

NOW = "2026-03-20 12:00:00"
LINES = [
    {"product_id": "1001", "quantity": 2},
    {"product_id": "1003", "quantity": 1},
    {"product_id": "1001", "quantity": 3},
]


def effects(market: Market) -> list[tuple[str, Any, Any, str]]:
    return [(each.kind, each.from_, each.to, each.by) for each in market.journal.effects]


def pieces(order: dict[str, Any]) -> list[tuple[int, int, int, int]]:
    """Per line: quantity, what was ordered, what was stornoed, status."""
    return [
        (line["quantity"], line["initial_qty"], line["storno_qty"], line["status"])
        for line in order["products"]
    ]


class TestOrders:
    async def test_acknowledged_once(self, seller: Seller) -> None:
        seller.market.add_order({"id": ORDER, "status": 1})
        seller.market.panel_acknowledges(ORDER)
        order = await seller.order()
        assert (order["status"], order["modified"]) == (2, NOW)
        assert effects(seller.market) == [("acknowledge", 1, 2, "panel")]
        with pytest.raises(ValueError, match="not new"):
            seller.market.panel_acknowledges(ORDER)
        assert (await seller.post(f"order/acknowledge/{ORDER}"))["isError"] is True

    @pytest.mark.parametrize("status", [2, 3, 4])
    async def test_cancelled_and_back_where_it_was(
        self, seller: Seller, clock: Clock, status: int
    ) -> None:
        seller.market.add_order({"id": ORDER, "status": status})
        seller.market.panel_cancels(ORDER, reason=3)
        order = await seller.order()
        assert (order["status"], order["reason_cancellation"]["id"]) == (0, 3)
        assert order["modified"] == NOW
        clock.pass_time(hours=1)
        seller.market.panel_restores(ORDER)
        order = await seller.order()
        assert (order["status"], order["reason_cancellation"]) == (status, None)
        assert order["modified"] == "2026-03-20 13:00:00"
        assert effects(seller.market) == [
            ("order.status", status, 0, "panel"),
            ("order.status", 0, status, "panel"),
        ]

    async def test_a_new_order_comes_back_in_progress(self, seller: Seller) -> None:
        seller.market.add_order({"id": ORDER, "status": 1})
        with pytest.raises(ValueError, match=f"order {ORDER}: Status can not be changed"):
            seller.market.panel_cancels(ORDER)
        seller.market.customer_asks_to_cancel(ORDER)
        seller.market.panel_restores(ORDER)
        assert (await seller.order())["status"] == 2

    async def test_it_comes_back_to_a_status_that_is_named(self, seller: Seller) -> None:
        seller.market.add_order({"id": ORDER, "status": 0})
        seller.market.panel_restores(ORDER, status=3)
        assert (await seller.order())["status"] == 3
        with pytest.raises(ValueError, match="not cancelled"):
            seller.market.panel_restores(ORDER)

    def test_two_days_are_the_limit(self, market: Market, clock: Clock) -> None:
        for number, status in ((1, 3), (2, 4)):
            market.add_order({"id": number, "status": status, "modified": clock.now()})
        market.panel_cancels(1)
        clock.pass_time(hours=49)
        with pytest.raises(ValueError, match="within 48 hours"):
            market.panel_restores(1)
        with pytest.raises(ValueError, match="within 48 hours"):
            market.panel_cancels(2)

    def test_a_reason_must_be_one(self, market: Market) -> None:
        market.add_order({"id": ORDER, "status": 2})
        with pytest.raises(ValueError, match="unknown reason 4"):
            market.panel_cancels(ORDER, reason=4)

    async def test_pieces_are_taken_out_before_the_end(self, seller: Seller) -> None:
        market = seller.market
        market.add_order({"id": ORDER, "status": 3, "products": LINES})
        market.panel_removes(ORDER, "1001", 3)
        order = await seller.order()
        assert pieces(order) == [(0, 2, 0, 0), (1, 1, 0, 1), (2, 3, 0, 1)]
        assert (order["status"], order["modified"]) == (3, NOW)
        assert effects(market) == [
            ("order.line", 2, 0, "panel"),
            ("order.line", 3, 2, "panel"),
            ("order.line.status", 1, 0, "panel"),
        ]

    async def test_pieces_come_back_after_the_end(self, seller: Seller) -> None:
        market = seller.market
        market.add_order({"id": ORDER, "status": 4, "products": LINES})
        market.panel_stornoes(ORDER, "1001", 3)
        order = await seller.order()
        assert pieces(order) == [(0, 2, 2, 1), (1, 1, 0, 1), (2, 3, 1, 1)]
        assert (order["status"], order["modified"]) == (4, NOW)
        market.panel_stornoes(ORDER, "1001", 2)
        market.panel_stornoes(ORDER, "1003", 1)
        order = await seller.order()
        assert pieces(order) == [(0, 2, 2, 1), (0, 1, 1, 1), (0, 3, 3, 1)]
        assert order["status"] == 5  # nothing is left
        assert effects(market) == [
            ("order.storno", 2, 0, "panel"),
            ("order.storno", 3, 2, "panel"),
            ("order.storno", 2, 0, "panel"),
            ("order.storno", 1, 0, "panel"),
            ("order.status", 4, 5, "emag"),
        ]

    async def test_all_of_it_comes_back(self, seller: Seller, clock: Clock) -> None:
        seller.market.add_order({"id": ORDER, "status": 4, "products": LINES})
        clock.pass_time(days=20)
        seller.market.panel_returns_order(ORDER)
        order = await seller.order()
        assert order["status"] == 5
        assert pieces(order) == [(0, 2, 2, 1), (0, 1, 1, 1), (0, 3, 3, 1)]
        assert effects(seller.market)[-1] == ("order.status", 4, 5, "panel")

    def test_the_return_time_is_the_limit(self, market: Market, clock: Clock) -> None:
        market.add_order(
            {"id": ORDER, "status": 4, "finalization_date": clock.now(), "products": LINES}
        )
        clock.pass_time(days=35, seconds=1)
        with pytest.raises(ValueError, match="return time"):
            market.panel_returns_order(ORDER)
        with pytest.raises(ValueError, match="return time"):
            market.panel_stornoes(ORDER, "1001", 1)

    @pytest.mark.parametrize(
        ("fields", "act", "problem"),
        [
            ({"status": 4}, ("panel_removes", "1001", 1), "only by storno"),
            ({"status": 1}, ("panel_removes", "1001", 1), "can be edited"),
            ({"status": 2}, ("panel_stornoes", "1001", 1), "keeps a finalized order"),
            ({"status": 2}, ("panel_returns_order",), "from 2 to 5"),
            ({"status": 2}, ("panel_removes", "1001", 6), "holds 5 of product 1001"),
            ({"status": 2}, ("panel_removes", "1001", 0), "one at least"),
            ({"status": 2}, ("panel_removes", "77", 1), "holds 0 of product 77"),
            ({"status": 2, "payment_mode_id": 3}, ("panel_removes", "1001", 1), "paid by card"),
            ({"status": 0}, ("panel_cancels",), "status 0 already"),
            ({"status": 1, "type": 2}, ("panel_acknowledges",), "eMAG's"),
            ({"status": 2, "type": 2}, ("panel_cancels",), "eMAG's"),
            ({"status": 2, "type": 2}, ("panel_removes", "1001", 1), "eMAG's"),
        ],
    )
    async def test_what_the_panel_refuses_changes_nothing(
        self, seller: Seller, fields: dict[str, Any], act: tuple[Any, ...], problem: str
    ) -> None:
        order = seller.market.add_order({"id": ORDER, "products": LINES, **fields})
        before = pieces(order), order["status"], order["modified"]
        name, *arguments = act
        with pytest.raises(ValueError, match=problem):
            getattr(seller.market, name)(ORDER, *arguments)
        order = await seller.order(kind=order["type"])
        assert (pieces(order), order["status"], order["modified"]) == before
        assert seller.market.journal.effects == []

    async def test_pieces_by_the_seller_count_alike(self, seller: Seller) -> None:
        line = {"product_id": "1001", "quantity": 5}
        seller.market.add_order({"id": ORDER, "status": 2, "products": [line]})
        lines = (await seller.order())["products"]
        await seller.save(products=[{**lines[0], "quantity": 4}])
        assert pieces(await seller.order()) == [(4, 5, 0, 1)]
        seller.market.panel_removes(ORDER, "1001", 1)
        await seller.save(status=4)
        lines = (await seller.order())["products"]
        await seller.save(products=[{**lines[0], "quantity": 2}], is_storno=True)
        seller.market.panel_stornoes(ORDER, "1001", 1)
        assert pieces(await seller.order()) == [(1, 5, 2, 1)]
        await seller.save(status=5)
        assert pieces(await seller.order()) == [(0, 5, 3, 1)]
        assert seller.broken_rules() == []

    def test_what_was_ordered_is_what_is_left_and_what_came_back(self, market: Market) -> None:
        line = {"product_id": "1001", "quantity": 1, "storno_qty": 2}
        assert pieces(market.add_order({"products": [line]})) == [(1, 3, 2, 1)]


class TestReturns:
    @pytest.mark.parametrize("was", range(1, 8))
    @pytest.mark.parametrize("to", range(1, 8))
    async def test_the_panel_takes_legal_steps(self, seller: Seller, was: int, to: int) -> None:
        seller.market.add_return({"emag_id": RETURN, "request_status": was})
        if (was, to) in {(2, 3), (3, 6), (6, 7), (6, 4), (2, 5), (3, 5)}:
            seller.market.panel_moves_return(RETURN, to)
            rma = await seller.rma()
            assert rma["request_status"] == to
            assert rma["request_history"][-1]["source"] == "UI"
            assert effects(seller.market) == [("rma.status", was, to, "panel")]
        else:
            with pytest.raises(ValueError, match=f"from {was} to {to}"):
                seller.market.panel_moves_return(RETURN, to)

    def test_returns_of_goods_that_emag_keeps_are_not_the_panels(self, market: Market) -> None:
        market.add_return({"emag_id": RETURN, "type": 2})
        with pytest.raises(ValueError, match="eMAG's"):
            market.panel_moves_return(RETURN, 3)

    @pytest.mark.parametrize("was", range(1, 8))
    async def test_a_customer_changes_his_mind(self, seller: Seller, was: int) -> None:
        seller.market.add_return({"emag_id": RETURN, "request_status": was})
        if was in (2, 3):
            seller.market.customer_cancels_return(RETURN)
            assert (await seller.rma())["request_status"] == 5
            assert effects(seller.market) == [("rma.status", was, 5, "customer")]
        else:
            with pytest.raises(ValueError, match=f"has status {was}"):
                seller.market.customer_cancels_return(RETURN)

    @pytest.mark.parametrize("was", range(1, 8))
    async def test_emag_closes_what_nobody_closed(self, seller: Seller, was: int) -> None:
        seller.market.add_return({"emag_id": RETURN, "request_status": was})
        if was in (2, 3, 6):
            seller.market.emag_closes_return(RETURN)
            rma = await seller.rma()
            assert (rma["request_status"], rma["finalized_with_incident"]) == (7, True)
            assert effects(seller.market) == [("rma.status", was, 7, "emag")]
        else:
            with pytest.raises(ValueError, match=f"has status {was}"):
                seller.market.emag_closes_return(RETURN)
            assert (await seller.rma())["finalized_with_incident"] is False
