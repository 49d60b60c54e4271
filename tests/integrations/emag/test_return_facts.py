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
    """What is told of requests that one step of the history names."""
    return told([*requests], **fields)


def told(*steps: list[dict[str, Any]], **fields: Any) -> Refund:
    """What is told of requests that the steps of the history name, the oldest first."""
    history = [{"code": "refund", "requests": requests} for requests in steps]
    return return_facts(rma(status_history=history, **fields), ZONE, "RON").refund


def test_a_paid_request_is_a_refund() -> None:
    assert refund(request("49.905", "Refunded")) == Refund(Decimal("49.91"), True, "RON")


def test_a_request_that_is_not_paid_yet_is_told_as_such() -> None:
    assert refund(request("49.90", "in progress")) == Refund(Decimal("49.90"), False, "RON")


def test_a_refused_request_is_no_money() -> None:
    assert refund(request("49.90", "rejected")) == Refund(None, False, "RON")


def test_a_word_that_nobody_knows_is_not_believed() -> None:
    paid, unknown = request("10", "paid"), request("20", "Levitated", created="later")
    part = Refund(Decimal("10.00"), False, "RON", ("levitated",), paid_in_part=True)
    assert refund(paid, unknown) == part


def test_a_request_counts_once_as_it_stood_last() -> None:
    asked = request("10", "pending")
    paid = request("10", "paid", status_date="2026-03-21 10:00:00")
    assert told([paid], [asked], [paid]) == Refund(Decimal("10.00"), True, "RON")


def test_equal_requests_of_one_step_are_several() -> None:
    paid = request("50.00", "paid")
    assert refund(paid, paid) == Refund(Decimal("100.00"), True, "RON")
    assert told([paid, paid], [paid, paid]).amount == Decimal("100.00")
    assert told([paid, paid], [paid]).amount == Decimal("100.00")


def test_of_equal_requests_each_has_its_own_state_however_they_are_ordered() -> None:
    asked = request("50.00", "pending")
    paid = request("50.00", "paid", status_date="2026-03-21 10:00:00")
    half = Refund(Decimal("50.00"), False, "RON", paid_in_part=True)
    assert told([asked, asked], [asked, paid], [paid, asked]) == half
    later = {**paid, "status_date": "2026-03-22 10:00:00"}
    assert told([asked, asked], [paid, asked], [later, paid]) == Refund(
        Decimal("100.00"), True, "RON"
    )


@pytest.mark.parametrize("missing", [None, "", []])
def test_a_state_without_a_time_is_as_new_as_its_step(missing: object) -> None:
    asked = request("50.00", "pending")
    paid = request("50.00", "paid", status_date=missing)
    assert told([asked], [paid]) == Refund(Decimal("50.00"), True, "RON")
    assert told([paid], [request("50.00", "rejected")]) == Refund(None, False, "RON")


def test_the_steps_times_say_which_is_later() -> None:
    asked, paid = (request("50.00", word, status_date=None) for word in ("pending", "paid"))
    history = [
        {"event_date": "2026-03-22 10:00:00", "requests": [paid]},
        {"event_date": "2026-03-21 10:00:00", "requests": [asked]},
    ]
    assert return_facts(rma(status_history=history), ZONE, "RON").refund.processed


@pytest.mark.parametrize("amount", ["0", "0.00", "-50.00"])
def test_an_amount_that_nobody_can_be_paid_is_left_out_and_told(amount: str) -> None:
    assert refund(request(amount, "paid")) == Refund(None, False, "RON", odd=(amount,))
    assert refund(request(amount, "rejected")) == Refund(None, False, "RON")


def test_of_what_is_taken_back_again_nobody_knows_how_much_is_left() -> None:
    paid, corrected = request("50.00", "paid"), request("-20.00", "paid", created="later")
    assert refund(paid, corrected) == Refund(None, False, "RON", odd=("-20.00",))


def test_a_request_of_nothing_leaves_the_others_as_they_are() -> None:
    paid = request("50.00", "paid")
    assert refund(paid, request("0", "paid")) == Refund(Decimal("50.00"), True, "RON", odd=("0",))


def test_a_negative_refund_of_a_line_is_told_and_not_summed_up() -> None:
    lines = [{"id": 1, "quantity": 1, "refund_value": value} for value in ("12.50", "-2.50", "0")]
    found = return_facts(rma(products=lines), ZONE, "RON").refund
    assert found == Refund(None, False, "RON", odd=("-2.50",))


def test_of_money_in_another_currency_nobody_knows_what_it_is_in_the_returns_own() -> None:
    lev = request("20", "paid", currency="BGN", created="later")
    foreign = Refund(None, False, "RON", apart=True, foreign=("BGN",))
    assert refund(request("10", "paid"), lev) == refund(lev) == foreign


def test_a_return_without_a_currency_is_in_the_platforms() -> None:
    assert refund(request("10", "paid"), currency=None) == Refund(Decimal("10.00"), True, "RON")
    euro = refund(request("10", "paid", currency="EUR"), currency=None)
    assert euro == Refund(None, False, "RON", apart=True, foreign=("EUR",))
    assert refund(request("10", "paid", currency=None), currency=None).currency is None


@pytest.mark.parametrize("fields", [{"currency": "ron"}, {"currency": None}])
def test_a_currency_is_the_same_however_it_is_written(fields: dict[str, Any]) -> None:
    assert refund(request("10", "paid", **fields)) == Refund(Decimal("10.00"), True, "RON")


def test_nothing_and_what_was_refused_is_in_no_currency() -> None:
    euro = {"currency": "EUR", "created": "later"}
    refused, nothing = request("20", "rejected", **euro), request("0", "paid", **euro)
    assert refund(request("10", "paid"), refused).amount == Decimal("10.00")
    assert not refund(request("10", "paid"), nothing).apart


def test_without_requests_the_lines_say_what_will_be_refunded() -> None:
    lines = [{"id": number, "quantity": "1", "refund_value": "12.3450"} for number in (1, 2)]
    found = return_facts(rma(products=lines), ZONE, "RON").refund
    assert found == Refund(Decimal("24.69"), False, "RON")


@pytest.mark.parametrize("value", ["a lot", "NaN", "1e30", True, {"amount": 5}, [5]])
def test_what_is_no_amount_makes_a_return_unusable(value: object) -> None:
    with pytest.raises(WireError, match="refund"):
        return_facts(rma(products=[{"id": 1, "quantity": 1, "refund_value": value}]), ZONE, "RON")
    with pytest.raises(WireError, match="refund"):
        refund({**request("1", "paid"), "amount": value})


def test_php_empties_are_nothing() -> None:
    facts = return_facts(rma(status_history={}, extra_info=[], locker=[]), ZONE, "RON")
    assert (facts.refund, facts.finalize_by) == (Refund(currency="RON"), None)


@pytest.mark.parametrize("name", ["order_id", "return_type", "return_reason"])
def test_what_is_no_number_is_told_apart_from_nothing(name: str) -> None:
    assert return_facts(rma(**{name: []}), ZONE, "RON").unread(name) is None
    shown = return_facts(rma(**{name: {"id": 5}}), ZONE, "RON").unread(name)
    assert shown == f"eMAG's return 52000077 has an unusable {name}: an object"


@pytest.mark.parametrize(
    ("products", "shown"), [(None, "None"), ("x", "a text of 1 characters"), ([], "no product")]
)
def test_lines_that_can_not_be_read_are_told(products: object, shown: str) -> None:
    told = return_facts(rma(products=products), ZONE, "RON").unread("products") or ""
    assert f"unusable products: {shown}" in told


def test_the_digest_differs_with_what_the_erp_is_told_and_with_nothing_else() -> None:
    was = return_facts(rma(), ZONE, "RON").digest
    assert (
        return_facts(rma(customer_name="Ana", request_history=[{"id": 1}]), ZONE, "RON").digest
        == was
    )
    assert return_facts(rma(request_status="7"), ZONE, "RON").digest != was
    assert return_facts(rma(request_status="6"), ZONE, "RON").digest == was
    for name in ("return_reason", "return_type"):
        assert return_facts(rma(**{name: "?"}), ZONE, "RON").digest != was
    taken_back = [{"requests": [request("-5.00", "paid")]}]
    assert return_facts(rma(status_history=taken_back), ZONE, "RON").digest != was


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
