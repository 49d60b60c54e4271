"""What the ERP is told of a return at eMAG."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from tests.end_to_end.conftest import Shop
from tests.end_to_end.returns_in.returning import (
    ORDER,
    RETURN,
    changes,
    items,
    open_return,
    receive,
    row_of,
    rows,
    take,
)


async def test_a_new_return_becomes_a_row_of_the_erps_with_its_items(shop: Shop) -> None:
    rma = open_return(
        shop,
        return_reason=124,
        observations="Nu porneste",
        products=[{"product_id": "1001", "quantity": 2}],
    )
    receipt = await receive(shop)
    assert receipt.brought[Kind.RMA] == {Brought.CREATED: 1}
    [row] = await rows(shop)
    platform = shop.channel.account.platform
    assert {
        "return_number": f"{platform}-{RETURN}",
        "emag_order_id": str(ORDER),
        "order_id": None,
        "emag_return_id": str(RETURN),
        "emag_status": "new",
        "status": "pending",
        "reason": "defective_product",
        "reason_description": "eMAG 124: Nu porneste",
        "refund_method": "original_payment",
        "refund_processed": False,
        "account_type": "main",
        "customer_name": rma["customer_name"],
        "customer_phone": rma["customer_phone"],
    }.items() <= row.items()
    [item] = await items(shop)
    assert {
        "return_request_id": row["id"],
        "product_id": "1001",
        "product_name": rma["products"][0]["product_name"],
        "quantity": 2,
        "emag_item_id": str(rma["products"][0]["id"]),
        "condition": "used",
        "reason": "defective_product",
    }.items() <= item.items()
    books = await shop.books(Kind.RMA, row["id"])
    assert (books["sync_state"], books["origin"]) == ("synced", "emag")
    assert (books["emag_return_id"], books["emag_status"]) == (str(RETURN), "new")


STATUSES = {
    1: ("pending", None),
    2: ("pending", "new"),
    3: ("approved", "approved"),
    4: ("rejected", "rejected"),
    5: ("cancelled", "cancelled"),
    6: ("processing", "in_progress"),
    7: ("completed", "completed"),
}


async def test_every_status_of_emags_has_its_words_in_the_erp(shop: Shop) -> None:
    for status in STATUSES:
        open_return(shop, RETURN + status, request_status=status)
    await take(shop)
    for status, words in STATUSES.items():
        row = await row_of(shop, RETURN + status)
        assert (row["status"], row["emag_status"]) == words


METHODS: Mapping[str, tuple[dict[str, Any], str]] = {
    "refund": ({"return_type": 3}, "original_payment"),
    "voucher": ({"return_type": 5}, "store_credit"),
    "to the bank": ({"return_type": 3, "customer_account_iban": "RO00TEST"}, "bank_transfer"),
    "same product": ({"return_type": 1}, "original_payment"),
}


async def test_the_way_of_the_refund_follows_from_what_the_customer_asked_for(shop: Shop) -> None:
    for number, (fields, _) in enumerate(METHODS.values()):
        open_return(shop, RETURN + number, **fields)
    await take(shop)
    for number, (_, method) in enumerate(METHODS.values()):
        assert (await row_of(shop, RETURN + number))["refund_method"] == method


async def test_each_line_has_its_own_reason(shop: Shop) -> None:
    lines = [
        {"product_id": "1001", "return_reason": 188},
        {"product_id": "1004", "return_reason": 50},
    ]
    open_return(shop, return_reason=124, products=lines)
    await take(shop)
    reasons = [item["reason"] for item in await items(shop)]
    assert reasons == ["damaged_in_transit", "wrong_item"]


async def test_refunds_come_with_amount_and_state(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    shop.market.emag_refunds_return(RETURN, "49.905")
    await take(shop)
    row = await row_of(shop)
    assert (row["refund_amount"], row["refund_processed"]) == (Decimal("49.91"), True)
    assert await changes(shop) == []


async def test_an_unknown_word_for_a_refund_is_noted_and_not_believed(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    shop.market.emag_refunds_return(RETURN, "49.90")
    rma = shop.market.returns.get(RETURN)
    assert rma is not None
    rma["status_history"][-1]["requests"][0]["refund_status"] = "Levitated"
    await take(shop)
    row = await row_of(shop)
    assert (row["refund_amount"], row["refund_processed"]) == (0, False)
    [drift] = await shop.sql("SELECT name FROM app.emag_drift WHERE what = 'type'")
    assert "levitated" in drift["name"]


def paid(amount: str, currency: str = "RON") -> dict[str, Any]:
    """A refund request that eMAG calls paid."""
    moment = {"created": "2026-11-20 10:00:00", "status_date": "2026-11-21 10:00:00"}
    return {"amount": amount, "refund_status": "paid", "currency": currency, **moment}


def requested(shop: Shop, *requests: dict[str, Any]) -> None:
    """A finalized return with these refund requests, in one step of its history."""
    history = [{"code": "refund", "event_date": "2026-11-21 10:00:00", "requests": [*requests]}]
    open_return(shop, request_status=7)["status_history"] = history


async def drift(shop: Shop) -> dict[str, str]:
    """What is noted of values that can't be read, by field."""
    noted = await shop.sql("SELECT name, value FROM app.emag_drift WHERE what = 'type'")
    return {row["name"]: row["value"] for row in noted}


async def test_equal_refunds_of_the_same_second_are_both_told(shop: Shop) -> None:
    requested(shop, paid("50.00"), paid("50.00"))
    await take(shop)
    row = await row_of(shop)
    assert (row["refund_amount"], row["refund_processed"]) == (Decimal("100.00"), True)


async def test_a_refund_of_nothing_is_noted_and_not_believed(shop: Shop) -> None:
    requested(shop, paid("0.00"))
    receipt = await take(shop)
    row = await row_of(shop)
    assert (row["status"], row["refund_amount"], row["refund_processed"]) == ("completed", 0, False)
    assert receipt.parked == []
    [drift] = await shop.sql("SELECT name, value FROM app.emag_drift WHERE what = 'type'")
    assert (drift["name"], drift["value"]) == ("return refund amount", "0.00")


async def test_a_refund_below_zero_is_left_to_a_person_and_the_rest_comes_in(shop: Shop) -> None:
    requested(shop, paid("-50.00"))
    receipt = await take(shop)
    row = await row_of(shop)
    assert (row["status"], row["refund_amount"], row["refund_processed"]) == ("completed", 0, False)
    [parked] = receipt.parked
    assert parked.emag_id == RETURN
    assert "refund amount of -50.00" in parked.reason
    [mirror] = await shop.sql("SELECT owed, problem FROM app.emag_returns")
    assert mirror == {"owed": True, "problem": parked.reason}
    await shop.erp.update(Kind.RMA, row["id"], refund_amount=30, refund_processed=True)
    shop.market.emag_refunds_return(RETURN, "50.00")
    await take(shop)
    row = await row_of(shop)
    assert (row["refund_amount"], row["refund_processed"]) == (30, True), "what a person entered"


@pytest.mark.parametrize("requests", [[("50.00", "EUR")], [("50.00", "EUR"), ("30.00", "RON")]])
async def test_a_refund_in_another_currency_is_left_to_a_person_and_the_rest_comes_in(
    shop: Shop, requests: list[tuple[str, str]]
) -> None:
    requested(shop, *(paid(*each) for each in requests))
    receipt = await take(shop)
    row = await row_of(shop)
    assert (row["status"], row["refund_amount"], row["refund_processed"]) == ("completed", 0, False)
    [parked] = receipt.parked
    assert "refunds in EUR and is in RON" in parked.reason
    assert await drift(shop) == {"return refund currency": "EUR"}


LINES = [{"id": 1, "product_id": "1001", "product_name": "Cana", "quantity": 1}]


@pytest.mark.parametrize(
    ("products", "shown"),
    [(None, "None"), ("?", "'?'"), ([], "no product lines"), ({}, "no product lines")],
)
async def test_a_return_comes_in_with_its_lines_and_not_before(
    shop: Shop, products: object, shown: str
) -> None:
    rma = open_return(shop)
    rma["products"] = products
    receipt = await take(shop)
    problem = (
        f"eMAG's return {RETURN} has an unusable products: {shown}: it comes in with its lines"
    )
    assert [(each.emag_id, each.reason) for each in receipt.parked] == [(RETURN, problem)]
    assert await rows(shop) == []
    assert await drift(shop) == {"return products": shown}
    rma["products"] = LINES
    await take(shop)
    assert [item["product_id"] for item in await items(shop)] == ["1001"]


async def test_a_known_return_whose_lines_can_not_be_read_follows_emag_all_the_same(
    shop: Shop,
) -> None:
    rma = open_return(shop, products=LINES)
    await take(shop)
    rma.update(products=None, request_status=3)
    receipt = await take(shop)
    assert (await row_of(shop))["status"] == "approved"
    assert (len(await items(shop)), receipt.parked) == (1, [])
    assert await drift(shop) == {"return products": "None"}


@pytest.mark.parametrize("name", ["return_reason", "return_type"])
async def test_a_number_of_another_type_is_told_and_keeps_nothing_out(
    shop: Shop, name: str
) -> None:
    open_return(shop)[name] = {"id": 124}
    await take(shop)
    assert (await row_of(shop))["reason"] in ("other", "defective_product")
    assert await drift(shop) == {f"return {name}": "an object"}


@pytest.mark.parametrize(
    ("order_id", "shown"),
    [("EM-480000101", "'EM-480000101'"), ({"id": ORDER}, "an object"), (2**32, "4294967296")],
)
async def test_an_order_that_can_not_be_read_is_told_as_it_came(
    shop: Shop, order_id: object, shown: str
) -> None:
    open_return(shop)["order_id"] = order_id
    receipt = await take(shop)
    [parked] = receipt.parked
    told = f"eMAG's return {RETURN} has an unusable order_id: {shown}: look at it at eMAG"
    assert parked.reason == told
    assert await drift(shop) == {"return order_id": shown}


async def test_no_customer_is_known_to_our_books(shop: Shop) -> None:
    rma = open_return(shop, customer_email="ana@example.com", observations="Sunt Ana")
    await take(shop)
    assert (await row_of(shop))["customer_email"] == "ana@example.com"
    tables = await shop.sql(
        "SELECT relname AS name FROM pg_class WHERE relnamespace = 'app'::regnamespace"
        " AND relkind IN ('r', 'p') AND relname LIKE 'emag%'"
    )
    for table in tables:
        query = f"SELECT coalesce(string_agg(t::text, ' '), '') AS all FROM app.{table['name']} t"
        [found] = await shop.sql(query)
        for personal in (rma["customer_name"], rma["customer_phone"], "ana@example.com", "Ana"):
            assert personal not in found["all"], table["name"]
