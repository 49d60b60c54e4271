"""What an order tells the ERP, however eMAG writes it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from integrations.emag.order_facts import (
    UNREADABLE,
    OrderFacts,
    Sight,
    money,
    read_facts,
    sight_of,
)
from integrations.emag.wire import WireError

ZONE = ZoneInfo("Europe/Bucharest")
READ_AT = datetime(2026, 11, 27, 9, tzinfo=UTC)
LINE = {
    "id": 11,
    "product_id": "1001",
    "part_number": "CANA-350",
    "name": "Cana",
    "status": 1,
    "quantity": 2,
    "initial_qty": 3,
    "storno_qty": 0,
    "sale_price": "82.6446",
    "vat": "0.2100",
}
ORDER: dict[str, Any] = {
    "id": 480000101,
    "type": 3,
    "status": 2,
    "date": "2026-11-26 10:00:00",
    "modified": "2026-11-27 10:00:00",
    "finalization_date": None,
    "customer": {"name": "Ana Exemplu"},
    "products": [LINE],
    "attachments": [],
    "payment_status": 0,
    "cashed_co": None,
    "cashed_cod": 0,
    "refunded_amount": "0",
    "cancellation_request": None,
    "reason_cancellation": None,
}


def sight(**fields: Any) -> Sight:
    return sight_of(480000101, {**ORDER, **fields}, ZONE, READ_AT, 3)


def facts(first: dict[str, int] | None = None, **fields: Any) -> OrderFacts:
    return read_facts({**ORDER, **fields}, first or {}, ZONE, "RON", READ_AT)


class TestWhetherAnOrderChanged:
    @pytest.mark.parametrize(
        "fields",
        [
            {"modified": "2026-11-27 10:05:00"},
            {"late_shipment": 1},
            {"customer": {"name": "Ion Exemplu"}},
            {"status": "2", "type": "3", "payment_status": "0"},
            {"products": [{**LINE, "quantity": "2"}]},
            {"reason_cancellation": []},
            {"reason_cancellation": {"id": None}},
        ],
    )
    def test_is_not_decided_by_what_does_not_matter(self, fields: dict[str, Any]) -> None:
        assert sight(**fields).digest == sight().digest

    @pytest.mark.parametrize(
        "fields",
        [
            {"status": 3},
            {"cancellation_request": "2026-11-27 09:00:00"},
            {"payment_status": 1},
            {"cashed_cod": 10},
            {"cashed_co": 10},
            {"refunded_amount": "1.00"},
            {"currency": "EUR"},
            {"reason_cancellation": {"id": 24, "name": "x"}},
            {"finalization_date": "2026-11-27 09:00:00"},
            {"products": [{**LINE, "quantity": 1}]},
            {"products": [{**LINE, "status": 0}]},
            {"products": [LINE, {**LINE, "id": 12}]},
            {"attachments": [{"url": "https://shop.example/f.pdf", "type": 1}]},
        ],
    )
    def test_is_decided_by_what_the_erp_is_told(self, fields: dict[str, Any]) -> None:
        assert sight(**fields).digest != sight().digest


class TestASight:
    def test_of_an_order_that_takes_its_course_tells_nothing(self) -> None:
        assert not sight(products=[{**LINE, "initial_qty": 2}]).tells
        assert sight().tells  # a piece is gone

    @pytest.mark.parametrize("status", [0, 5, 9, "vier"])
    def test_of_an_order_that_is_over_or_strange_tells_something(self, status: object) -> None:
        assert sight(status=status, products=[]).tells

    def test_without_a_usable_status_says_so(self) -> None:
        assert sight(status="vier").status == UNREADABLE
        assert sight(status=100).status == UNREADABLE

    def test_has_the_times_in_utc(self) -> None:
        seen = sight(finalization_date="2026-11-27 01:00:00")
        assert seen.placed_at == datetime(2026, 11, 26, 8, tzinfo=UTC)
        assert seen.finalized_at == datetime(2026, 11, 26, 23, tzinfo=UTC)

    @pytest.mark.parametrize("value", [None, "", [], {}, "0", "0000-00-00 00:00:00"])
    def test_without_a_wish_has_none(self, value: object) -> None:
        assert sight(cancellation_request=value).wish_at is None

    def test_of_a_wish_at_no_usable_time_counts_from_the_last_change(self) -> None:
        assert sight(cancellation_request="da").wish_at == datetime(2026, 11, 27, 8, tzinfo=UTC)
        assert sight(cancellation_request="da", modified=None).wish_at == READ_AT

    def test_says_what_each_line_holds_and_of_an_order_that_is_over_what_it_held(self) -> None:
        products = [LINE, {**LINE, "id": 12, "status": 0}, {**LINE, "id": "13", "quantity": "1"}]
        assert sight(products=products).held == {"11": 2, "12": 0, "13": 1}
        assert sight(products=products, status=0).held == {"11": 3, "12": 3, "13": 3}

    @pytest.mark.parametrize(
        "products",
        [None, "x", [], [None], ["x"], [{**LINE, "id": None}], [{**LINE, "quantity": "x"}]],
    )
    def test_says_nothing_of_what_lines_hold_that_can_not_be_read(self, products: object) -> None:
        assert sight(products=products).held is None

    def test_counts_fiscal_documents_alone(self) -> None:
        urls = [{"url": "https://shop.example/1.pdf", "type": kind} for kind in (1, "1", None, 10)]
        assert sight(attachments=[*urls, {"type": 1}]).documents == 3


class TestFacts:
    def test_pieces_at_first_are_what_was_seen_first(self) -> None:
        [line] = facts({"11": 4}).lines
        assert (line.first, line.now) == (4, 2)
        [line] = facts().lines
        assert (line.first, line.now) == (3, 2)

    @pytest.mark.parametrize(
        ("seen", "line", "first"),
        [
            ({}, {"quantity": 5, "initial_qty": 3}, 5),
            ({}, {"quantity": 2, "initial_qty": 0}, 2),
            ({}, {"quantity": 4, "initial_qty": 3, "storno_qty": 1}, 5),
            ({"11": 3}, {"quantity": 5, "initial_qty": 3}, 5),
            ({"11": 6}, {"quantity": 5, "initial_qty": 3}, 6),
        ],
    )
    def test_pieces_that_came_later_count(
        self, seen: dict[str, int], line: dict[str, int], first: int
    ) -> None:
        assert facts(seen, products=[{**LINE, **line}]).lines[0].first == first

    @pytest.mark.parametrize("name", ["cashed_co", "cashed_cod", "refunded_amount"])
    @pytest.mark.parametrize("value", [{"amount": 5}, ["5"], True, "zece", "1,234.50", "NaN"])
    def test_are_none_where_an_amount_can_not_be_read(self, name: str, value: Any) -> None:
        with pytest.raises(WireError, match=f"unusable {name}: "):
            facts(**{name: value})
        assert sight(products=[], **{name: value}).tells

    @pytest.mark.parametrize("name", ["sale_price", "vat"])
    def test_are_none_where_a_price_can_not_be_read(self, name: str) -> None:
        with pytest.raises(WireError, match=f"unusable product line's {name}: a text of 4"):
            facts(products=[{**LINE, name: "zece"}])

    def test_tell_what_is_paid_beside_the_goods(self) -> None:
        voucher = {"value": "-8.0645", "vat_value": "-1.9355"}
        lines = [
            {**LINE, "product_voucher_split": [voucher]},
            {**LINE, "id": 12, "status": 0, "product_voucher_split": [voucher]},
        ]
        free: dict[str, Any] = {"shipping_tax": "14.99", "shipping_tax_voucher_split": [voucher]}
        assert facts(**free).beside_goods == Decimal("4.99")
        assert facts(**free, products=lines, vouchers=[voucher]).beside_goods == Decimal("-5.01")

    @pytest.mark.parametrize("value", [None, "", [], {}, "zece", [{}], [{"value": "x"}], "NaN"])
    def test_are_not_spoilt_by_a_shipping_that_can_not_be_read(self, value: Any) -> None:
        found = facts(shipping_tax=value, shipping_tax_voucher_split=value)
        assert found.beside_goods == Decimal(0)

    @pytest.mark.parametrize("value", [None, "", " ", [], {}])
    def test_count_an_amount_that_is_left_out_as_nothing(self, value: object) -> None:
        found = facts(cashed_co=value, refunded_amount=value)
        assert (found.cashed, found.refunded) == (None, Decimal(0))
        assert not sight(products=[], cashed_co=value, refunded_amount=value).tells

    def test_without_a_first_quantity_stornoed_pieces_count(self) -> None:
        [line] = facts(products=[{**LINE, "initial_qty": None, "storno_qty": 2}]).lines
        assert (line.first, line.now) == (4, 2)

    @pytest.mark.parametrize("status", [0, 5])
    def test_of_an_order_that_is_over_nothing_is_left(self, status: int) -> None:
        assert [line.now for line in facts(status=status).lines] == [0]

    def test_a_line_that_is_dropped_is_remembered(self) -> None:
        line = facts({"11": 3, "12": 1}).lines[1]
        assert (line.id, line.first, line.now, line.worth(1)) == (12, 1, 0, Decimal("0.00"))

    def test_prices_hold_the_vat_and_are_rounded_once(self) -> None:
        [line] = facts().lines
        assert (line.worth(1), line.worth(3)) == (Decimal("100.00"), Decimal("300.00"))

    def test_currency_is_emags_else_the_platforms(self) -> None:
        assert facts(currency="eur").currency == "EUR"
        assert facts(currency=None).currency == "RON"

    def test_nothing_cashed_is_no_amount(self) -> None:
        assert facts().cashed is None
        assert facts(cashed_co="10.10", cashed_cod=5).cashed == Decimal("15.10")


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (99.985, "99.99"),
        ("99.985", "99.99"),
        (" 5 ", "5.00"),
        (0, "0.00"),
        ("-8.0645", "-8.06"),
        (1.005, "1.01"),
    ],
)
def test_amounts_are_exact_to_the_cent_half_up(value: object, amount: str) -> None:
    assert money(value) == Decimal(amount)


@pytest.mark.parametrize("value", [None, "", "zece", [], True, "NaN", "Infinity", "1e30"])
def test_what_is_no_amount_is_none(value: object) -> None:
    assert money(value) is None
