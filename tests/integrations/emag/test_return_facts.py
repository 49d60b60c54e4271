"""What the ERP is told about a return, and in which words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from integrations.emag.return_facts import Refund, emag_id_of, return_facts, status_of
from integrations.emag.return_reasons import ERP_RETURN_REASONS, return_reason
from integrations.emag.wire import WireError

ZONE = ZoneInfo("Europe/Bucharest")


def rma(**fields: Any) -> dict[str, Any]:
    return {
        "emag_id": 52000077,
        "order_id": "480000101",
        "type": 3,
        "request_status": 6,
        "currency": "RON",
        "products": [{"id": 61000011, "product_id": "1001", "quantity": 1}],
        **fields,
    }


def request(amount: str, status: str, **fields: Any) -> dict[str, Any]:
    asked = {"created": "2026-03-20 10:00:00", "status_date": "2026-03-20 10:00:00"}
    return {"amount": amount, "refund_status": status, "currency": "RON", **asked, **fields}


def refund(*requests: dict[str, Any], **fields: Any) -> Refund:
    history = [{"code": "refund", "requests": list(requests)}]
    return return_facts(rma(status_history=history, **fields), ZONE).refund


def test_a_paid_request_is_a_refund() -> None:
    assert refund(request("49.905", "Refunded")) == Refund(Decimal("49.91"), True, "RON")


def test_a_request_that_is_not_paid_yet_is_told_as_such() -> None:
    assert refund(request("49.90", "in progress")) == Refund(Decimal("49.90"), False, "RON")


def test_a_refused_request_is_no_money() -> None:
    assert refund(request("49.90", "rejected")) == Refund(None, False, "RON")


def test_a_word_that_nobody_knows_is_not_believed() -> None:
    paid, unknown = request("10", "paid"), request("20", "Levitated", created="later")
    assert refund(paid, unknown) == Refund(Decimal("10.00"), False, "RON", ("levitated",))


def test_a_request_counts_once_as_it_stood_last() -> None:
    asked = request("10", "pending")
    paid = request("10", "paid", status_date="2026-03-21 10:00:00")
    assert refund(paid, asked, paid) == Refund(Decimal("10.00"), True, "RON")


def test_money_in_another_currency_is_left_out_and_told() -> None:
    lev = request("20", "paid", currency="BGN", created="later")
    assert refund(request("10", "paid"), lev) == Refund(Decimal("10.00"), True, "RON", apart=True)


def test_the_requests_say_the_currency() -> None:
    assert refund(request("10", "paid", currency="EUR")).currency == "EUR"


def test_without_requests_the_lines_say_what_will_be_refunded() -> None:
    lines = [{"id": number, "quantity": "1", "refund_value": "12.3450"} for number in (1, 2)]
    told = return_facts(rma(products=lines), ZONE).refund
    assert told == Refund(Decimal("24.69"), False, "RON")


@pytest.mark.parametrize("value", ["a lot", "NaN", "1e30"])
def test_what_is_no_amount_makes_a_return_unusable(value: str) -> None:
    with pytest.raises(WireError, match="refund"):
        return_facts(rma(products=[{"id": 1, "quantity": 1, "refund_value": value}]), ZONE)


def test_php_empties_are_nothing() -> None:
    facts = return_facts(rma(status_history={}, extra_info=[], locker=[]), ZONE)
    assert (facts.refund, facts.finalize_by) == (Refund(currency="RON"), None)


def test_the_digest_differs_with_what_the_erp_is_told_and_with_nothing_else() -> None:
    was = return_facts(rma(), ZONE).digest
    assert return_facts(rma(customer_name="Ana", request_history=[{"id": 1}]), ZONE).digest == was
    assert return_facts(rma(request_status="7"), ZONE).digest != was
    assert return_facts(rma(request_status="6"), ZONE).digest == was


def test_numbers_that_no_return_can_have_are_none() -> None:
    assert [emag_id_of({"emag_id": value}) for value in (0, "x", 2**32, "77")] == [None] * 3 + [77]
    assert [status_of({"request_status": value}) for value in ("6", None, 10**9)] == [6, None, None]


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (30, "customer_dissatisfaction"),
        (43, "wrong_item"),
        (59, "wrong_item"),
        (69, "wrong_item"),
        (124, "defective_product"),
        (187, "defective_product"),
        (188, "damaged_in_transit"),
        (97, "damaged_in_transit"),
        (135, "other"),
        (8, "other"),
        (None, "other"),
    ],
)
def test_reasons_have_the_erps_words(number: int | None, word: str) -> None:
    assert return_reason(number) == word


def test_every_reason_of_emags_tree_has_a_word() -> None:
    assert len(ERP_RETURN_REASONS) == 72 + 21 + 74 + 13 + 2
