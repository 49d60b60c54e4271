"""What eMAG pays back for an order is told of one row of the ERP's, and stays there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.mirror_orders import owe_asked_for
from tests.end_to_end.conftest import Shop
from tests.end_to_end.orders_in.conftest import (
    ORDER,
    at_emag,
    carry_out,
    mirrored,
    receive,
    rows,
)
from tests.end_to_end.reconciling import reconcile
from tests.end_to_end.returns_in.returning import receive as receive_returns

CANCELLATION, CARD = Kind.CANCELLATION, 3

# Two pieces, of 30.00 and of 70.00.
PAIR = [
    {"id": 11, "product_id": "1001", "quantity": 1, "sale_price": "30", "vat": "0"},
    {"id": 12, "product_id": "1002", "quantity": 1, "sale_price": "70", "vat": "0"},
]
CHEAP, DEAR = ({"emag_item_id": str(line["id"]), "quantity": 1} for line in PAIR)


def sold(shop: Shop) -> None:
    """A finalized order of 100.00, paid by card."""
    shop.market.add_order(
        {
            "id": ORDER,
            "status": 4,
            "payment_mode_id": CARD,
            "payment_status": 1,
            "cashed_co": 100,
            "shipping_tax": 0,
            "products": PAIR,
        }
    )


async def storno(shop: Shop, item: dict[str, Any]) -> int:
    """A storno that the ERP asked for and eMAG has."""
    row = await shop.erp.add(CANCELLATION, ORDER, item, refund_status="processing")
    await carry_out(shop)
    await shop.sql(
        "UPDATE app.emag_cancellation_integrations SET sent_at = sent_at - interval '9 s'"
    )
    return row


async def refunded(shop: Shop, amount: str) -> None:
    """eMAG shows so much as paid back for the order, all in all."""
    order = at_emag(shop)
    order["refunded_amount"] = amount
    shop.market.touch(order)
    await receive(shop)


def whose(shop: Shop) -> tuple[str, str, datetime]:
    """The account's orders, and what is of the last day."""
    account = shop.channel.account
    return account.platform, account.name, datetime.now(UTC) - timedelta(days=1)


async def refund(shop: Shop, row: int) -> tuple[object, str, bool]:
    found = await shop.erp.row(CANCELLATION, row)
    return found["refund_amount"], found["refund_status"], found["refund_processed"]


async def test_the_refund_of_a_return_is_none_of_a_storno_beside_it(shop: Shop) -> None:
    sold(shop)
    wanted = [{"product_id": "1001", "quantity": 1}]
    rma = shop.market.customer_opens_return(ORDER, products=wanted)["emag_id"]
    await receive_returns(shop)
    for status in (3, 6, 7):
        shop.market.panel_moves_return(rma, status)
    shop.market.emag_refunds_return(rma, "30")
    await receive_returns(shop)
    row = await storno(shop, DEAR)
    await refunded(shop, "30.00")
    assert await refund(shop, row) == (0, "processing", False)
    await refunded(shop, "80.00")
    assert await refund(shop, row) == (50, "partial", True)
    await refunded(shop, "100.00")
    assert await refund(shop, row) == (70, "completed", True)


@pytest.mark.parametrize("gone", ["deleted", "cancelled"])
async def test_what_a_storno_got_that_the_erp_gave_up_is_none_of_the_next(
    shop: Shop, gone: str
) -> None:
    sold(shop)
    first = await storno(shop, CHEAP)
    await refunded(shop, "30.00")
    assert await refund(shop, first) == (30, "completed", True)
    if gone == "deleted":
        await shop.erp.delete(CANCELLATION, first)
    else:
        await shop.erp.update(CANCELLATION, first, status="cancelled", refund_amount=0)
    await carry_out(shop)
    second = await storno(shop, DEAR)
    await receive(shop)
    assert await refund(shop, second) == (0, "processing", False)
    await refunded(shop, "100.00")
    assert await refund(shop, second) == (70, "completed", True)
    if gone == "cancelled":
        assert (await refund(shop, first))[0] == 0, "given up is left as the ERP has it"


async def test_a_storno_that_the_erp_entered_anew_gets_what_the_deleted_one_got(
    shop: Shop,
) -> None:
    sold(shop)
    first = await storno(shop, CHEAP)
    await refunded(shop, "30.00")
    await shop.erp.delete(CANCELLATION, first)
    await carry_out(shop)
    again = await shop.erp.add(CANCELLATION, ORDER, CHEAP, refund_status="processing")
    await shop.run(CANCELLATION)
    await receive(shop)
    assert await refund(shop, again) == (30, "completed", True)
    assert len(await rows(shop)) == 1


async def test_a_refund_that_is_asked_for_once_more_is_told_once_more(shop: Shop) -> None:
    sold(shop)
    row = await storno(shop, CHEAP)
    await refunded(shop, "30.00")
    await shop.erp.update(CANCELLATION, row, refund_status="processing")
    await shop.run(CANCELLATION)
    assert await shop.state(CANCELLATION, row) == "synced"
    await receive(shop)
    assert await refund(shop, row) == (30, "completed", True)
    assert not (await mirrored(shop))["owed"]
    assert await owe_asked_for(shop.channel.engine, *whose(shop)) == 0


async def test_a_refund_that_nobody_has_paid_is_looked_for_once(shop: Shop) -> None:
    sold(shop)
    await receive(shop)
    row = await storno(shop, CHEAP)
    await receive(shop)
    await shop.erp.update(CANCELLATION, row, refund_status="pending")
    await carry_out(shop)
    await shop.erp.update(CANCELLATION, row, refund_status="processing")
    await carry_out(shop)
    await shop.sql("UPDATE app.emag_orders SET read_at = read_at - interval '1 min'")
    await shop.sql(
        "UPDATE app.emag_cancellation_integrations SET sent_at = sent_at - interval '2 min'"
    )
    assert await owe_asked_for(shop.channel.engine, *whose(shop)) == 1
    await receive(shop)
    assert await owe_asked_for(shop.channel.engine, *whose(shop)) == 0
    assert await refund(shop, row) == (0, "processing", False)


async def test_reconciling_says_what_a_refund_was_called(shop: Shop) -> None:
    sold(shop)
    row = await storno(shop, CHEAP)
    await refunded(shop, "30.00")
    await shop.erp.update(CANCELLATION, row, refund_status="processing")
    await carry_out(shop)

    certificate = await reconcile(shop)

    assert await refund(shop, row) == (30, "completed", True)
    [repaired] = [each for each in certificate.repaired.shown if each.money]
    assert "30.00 paid (processing), eMAG says" in repaired.text
    assert repaired.text.endswith("30.00 paid (completed)")
