"""What orders cost, and what eMAG collects and pays back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from integrations.sandbox.market import Market
from integrations.sandbox.money import order_total

from .conftest import ORDER, RETURN, Seller

NOW = "2026-03-20 12:00:00"
# with VAT 100.00 and 146.00 a piece, to within a cent that rounding the sum takes away
LINES = [
    {"product_id": "1001", "quantity": 3, "sale_price": "82.6446", "vat": "0.2100"},
    {"product_id": "1003", "quantity": 1, "sale_price": "120.6612", "vat": "0.2100"},
]


def order_of(market: Market, **fields: Any) -> Any:
    given = {"id": ORDER, "status": 4, "products": LINES, "shipping_tax": 19.99, **fields}
    return market.add_order(given)


def effects(market: Market) -> list[tuple[str, Any, Any, str]]:
    return [(each.kind, each.from_, each.to, each.by) for each in market.journal.effects]


class TestTotals:
    @pytest.mark.parametrize(
        ("fields", "total"),
        [
            ({}, "465.99"),  # 300.00 + 146.00 + 19.99
            ({"shipping_tax": "0"}, "446.00"),
            ({"products": [LINES[1]]}, "165.99"),
            ({"products": [{**LINES[0], "quantity": 0}, LINES[1]]}, "165.99"),
            ({"products": [{**LINES[0], "status": 0}, LINES[1]]}, "165.99"),
            ({"products": [{**LINES[0], "quantity": 1, "vat": "0.1100"}]}, "111.73"),
            ({"products": []}, "19.99"),
        ],
    )
    def test_lines_and_shipping(self, market: Market, fields: dict[str, Any], total: str) -> None:
        assert order_total(order_of(market, **fields)) == Decimal(total)

    def test_deposits_and_vouchers(self, market: Market) -> None:
        deposit = {
            "quantity": 3,
            "sale_price": "0.5000",
            "vat_rate": "0",
            "recycle_warranty_voucher_split": [],
        }
        voucher = {"value": "-8.2645", "vat_value": "-1.7355"}
        lines = [
            {**LINES[0], "recycle_warranties": [deposit], "product_voucher_split": [voucher]},
        ]
        shipping = [{"value": -4.13, "vat_value": -0.86}]
        order = order_of(market, products=lines, shipping_tax_voucher_split=shipping)
        assert order_total(order) == Decimal("306.50")  # 300 + 1.50 - 10 + 19.99 - 4.99


class TestCashing:
    async def test_the_courier_brings_the_money(self, seller: Seller) -> None:
        order_of(seller.market, payment_mode_id=1)
        seller.market.cod_is_cashed(ORDER)
        order = await seller.order()
        assert (order["cashed_cod"], order["cashed_co"]) == (465.99, None)
        assert (order["payment_status"], order["modified"]) == (1, NOW)
        assert effects(seller.market) == [
            ("order.cashed", 0, 465.99, "emag"),
            ("order.payment_status", 0, 1, "emag"),
        ]

    async def test_a_card_is_charged(self, seller: Seller) -> None:
        order_of(seller.market, payment_mode_id=3)
        seller.market.card_is_cashed(ORDER)
        order = await seller.order()
        assert (order["cashed_co"], order["cashed_cod"]) == (465.99, 0)
        assert (order["payment_status"], order["modified"]) == (1, NOW)
        assert effects(seller.market) == [("order.cashed", None, 465.99, "emag")]

    @pytest.mark.parametrize(("mode", "field"), [(1, "cashed_cod"), (2, "cashed_co")])
    async def test_a_customer_pays(self, seller: Seller, mode: int, field: str) -> None:
        order_of(seller.market, payment_mode_id=mode)
        seller.market.customer_pays(ORDER)
        order = await seller.order()
        assert (order["payment_status"], order[field]) == (1, 465.99)
        assert {effect.by for effect in seller.market.journal.effects} == {"customer"}

    def test_each_in_its_way(self, market: Market) -> None:
        order_of(market, payment_mode_id=1)
        with pytest.raises(ValueError, match="paid by RAMBURS"):
            market.card_is_cashed(ORDER)
        order_of(market, id=2, payment_mode_id=3)
        with pytest.raises(ValueError, match="paid by CARD online"):
            market.cod_is_cashed(2)
        assert effects(market) == []


class TestRefundsOfOrders:
    async def test_amounts_add_up(self, seller: Seller) -> None:
        order_of(seller.market)
        seller.market.emag_refunds_order(ORDER, amount="100.5")
        order = await seller.order()
        assert (order["refunded_amount"], order["modified"]) == ("100.50", NOW)
        assert isinstance(order["refund_status"], str)
        seller.market.emag_refunds_order(ORDER, Decimal(20))
        assert (await seller.order())["refunded_amount"] == "120.50"
        assert effects(seller.market) == [
            ("order.refund", "0", "100.50", "emag"),
            ("order.refund", "100.50", "120.50", "emag"),
        ]

    def test_by_default_what_came_back_and_is_not_refunded_yet(self, market: Market) -> None:
        order = order_of(market)
        market.panel_stornoes(ORDER, "1001", 2)
        market.emag_refunds_order(ORDER)
        assert order["refunded_amount"] == "200.00"
        with pytest.raises(ValueError, match="nothing is left to refund"):
            market.emag_refunds_order(ORDER)
        market.panel_stornoes(ORDER, "1003", 1)
        market.emag_refunds_order(ORDER)
        assert order["refunded_amount"] == "346.00"

    def test_by_default_all_of_a_cancelled_order(self, market: Market) -> None:
        order = order_of(market, status=0)
        market.emag_refunds_order(ORDER)
        assert order["refunded_amount"] == "465.99"

    @pytest.mark.parametrize("amount", ["much", "NaN", 0, -1])
    def test_what_is_no_amount(self, market: Market, amount: Any) -> None:
        order = order_of(market)
        with pytest.raises(ValueError, match=r"no amount|nothing"):
            market.emag_refunds_order(ORDER, amount)
        assert order["refunded_amount"] == "0"


class TestRefundsOfReturns:
    @pytest.fixture(autouse=True)
    def a_return(self, market: Market) -> None:
        order_of(market)
        back = [{"product_id": "1001", "quantity": 2}, {"product_id": "1003", "quantity": 1}]
        market.add_return(
            {"emag_id": RETURN, "order_id": ORDER, "request_status": 7, "products": back}
        )

    async def test_by_default_the_price_of_what_it_holds(self, seller: Seller) -> None:
        seller.market.emag_refunds_return(RETURN)
        rma = await seller.rma()
        entry = rma["status_history"][-1]
        assert entry["event_date"] == NOW
        (request,) = entry["requests"]
        assert set(request) == {
            *("amount", "created", "refund_type", "refund_status", "rma_id", "status_date"),
            "currency",
        }
        assert (request["amount"], request["rma_id"]) == ("346.00", RETURN)
        assert (request["currency"], request["created"]) == ("RON", NOW)
        assert [line["refund_value"] for line in rma["products"]] == ["200.0000", "146.0000"]
        assert effects(seller.market) == [("rma.refund", None, "346.00", "emag")]

    async def test_an_amount_is_spread_over_the_lines(self, seller: Seller) -> None:
        seller.market.emag_refunds_return(RETURN, amount=100)
        seller.market.emag_refunds_return(RETURN, amount="0.01")
        rma = await seller.rma()
        values = [Decimal(line["refund_value"]) for line in rma["products"]]
        assert sum(values) == Decimal("100.01")
        assert values[0] > values[1] > 0
        amounts = [each["amount"] for entry in rma["status_history"] for each in entry["requests"]]
        assert amounts == ["100.00", "0.01"]

    def test_a_return_whose_order_is_unknown_goes_by_the_catalogue(self, market: Market) -> None:
        rma = market.add_return({"order_id": 7, "products": [{"product_id": "1001"}]})
        market.emag_refunds_return(rma["emag_id"])
        assert rma["products"][0]["refund_value"] == "100.0000"
