"""Refunds that eMAG names and nobody has paid yet, beside what the ERP says of them."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.differences import Why
from tests.end_to_end.conftest import Shop
from tests.end_to_end.reconciling import explanations, reconcile
from tests.end_to_end.returns_in.returning import (
    RETURN,
    carry_out,
    changes,
    open_return,
    receive,
    row_of,
    take,
)


def asked(amount: str, word: str = "pending") -> list[dict[str, Any]]:
    """A history with one refund request."""
    request = {"amount": amount, "refund_status": word, "created": "2026-11-20 10:00:00"}
    event = {"code": "refund", "event_date": "2026-11-20 10:00:00", "requests": [request]}
    return [event]


async def refund(shop: Shop) -> tuple[object, bool]:
    row = await row_of(shop)
    return row["refund_amount"], row["refund_processed"]


async def decided(shop: Shop, **columns: Any) -> dict[str, Any]:
    """A return that the ERP has approved and decided about; at eMAG."""
    rma = open_return(shop)
    await receive(shop)
    row = await row_of(shop)
    await shop.erp.update(Kind.RMA, row["id"], status="approved", **columns)
    return rma


async def test_a_row_that_names_no_refund_gets_the_expected_one(shop: Shop) -> None:
    rma = open_return(shop)
    await take(shop)
    rma["products"][0]["refund_value"] = "100.0000"
    await take(shop)
    assert await refund(shop) == (100, False)
    assert await changes(shop) == []


async def test_a_new_row_has_the_expected_refund(shop: Shop) -> None:
    open_return(shop)["status_history"] = asked("40.00")
    await take(shop)
    assert await refund(shop) == (40, False)


@pytest.mark.parametrize("sent", [True, False], ids=["sent", "unsent"])
@pytest.mark.parametrize("by", ["line", "request"])
async def test_what_nobody_has_paid_leaves_the_erps_own_amount(
    shop: Shop, by: str, sent: bool
) -> None:
    rma = await decided(shop, refund_amount=80)
    if sent:
        await carry_out(shop)
    if by == "line":
        rma["products"][0]["refund_value"] = "100.0000"
    else:
        rma["status_history"] = asked("100.00")
    await receive(shop)
    assert await refund(shop) == (80, False)

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert not any(each.money for each in certificate.repaired.shown)
    assert await refund(shop) == (80, False)


async def test_what_is_paid_counts_whatever_the_erp_expected(shop: Shop) -> None:
    rma = await decided(shop, refund_amount=80)
    await carry_out(shop)
    rma["products"][0]["refund_value"] = "100.0000"
    await receive(shop)
    shop.market.emag_refunds_return(RETURN, "100.00")
    await receive(shop)
    assert await refund(shop) == (100, True)


async def test_what_the_erp_paid_itself_stays_and_reconciling_shows_it(shop: Shop) -> None:
    rma = await decided(shop, refund_amount=80, refund_processed=True)
    await carry_out(shop)
    rma["products"][0]["refund_value"] = "100.0000"
    await receive(shop)

    certificate = await reconcile(shop)

    assert await refund(shop) == (80, True)
    assert explanations(certificate) == {Why.ELSEWHERE: 1}
    [shown] = certificate.explained[Why.ELSEWHERE].shown
    assert "holds a refund of 80.00 paid, eMAG shows none paid" in shown.text


async def test_reconciling_brings_an_expected_refund_that_a_row_lacks(shop: Shop) -> None:
    open_return(shop)["status_history"] = asked("40.00")
    await take(shop)
    await shop.sql("UPDATE app.return_requests SET refund_amount = 0")

    certificate = await reconcile(shop)

    assert await refund(shop) == (40, False)
    assert sum(each.money for each in certificate.repaired.shown) == 1


async def test_an_expected_refund_that_was_paid_in_part_is_told(shop: Shop) -> None:
    rma = await decided(shop, refund_amount=80)
    await carry_out(shop)
    rma["status_history"] = asked("30.00")
    await receive(shop)
    assert await refund(shop) == (80, False)
    [paid] = asked("30.00", "paid")
    paid["requests"] += [{**paid["requests"][0], "amount": "70.00", "refund_status": "pending"}]
    rma["status_history"] = [paid]
    await receive(shop)
    assert await refund(shop) == (30, False)
