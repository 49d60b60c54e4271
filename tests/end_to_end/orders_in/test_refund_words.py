"""eMAG's word for the refund of an order decides whether the amount is one that was paid back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from integrations.erp.rows import Kind
from tests.end_to_end.conftest import Shop
from tests.end_to_end.orders_in.conftest import ORDER, an_order, at_emag, long_ago, receive, rows

CARD = 3


@pytest.mark.parametrize("word", ["pending", "In Progress", "rejected", "failed"])
async def test_what_is_not_paid_yet_or_never_is_no_refund(shop: Shop, word: str) -> None:
    await _cancelled_and_refunded(shop, word)
    assert await _refunds(shop) == [(Decimal(0), "pending", False)]
    await _says(shop, "refunded")
    assert await _refunds(shop) == [(_paid_back(shop), "completed", True)]


async def test_what_is_not_paid_yet_leaves_an_invoice_paid(shop: Shop) -> None:
    an_order(shop, status=4, payment_mode_id=CARD)
    row = await shop.erp.add(Kind.INVOICE, ORDER, pdf_url=shop.document("F-1"))
    await shop.run(Kind.INVOICE)
    await long_ago(shop)
    shop.market.card_is_cashed(ORDER)
    shop.market.emag_refunds_order(ORDER)
    await _says(shop, "pending")
    assert (await shop.erp.row(Kind.INVOICE, row))["status"] == "paid"
    await _says(shop, "refunded")
    assert (await shop.erp.row(Kind.INVOICE, row))["status"] == "refunded"


@pytest.mark.parametrize("word", [None, "", "completed"])
async def test_what_is_paid_or_in_no_word_is_the_amount(shop: Shop, word: str | None) -> None:
    await _cancelled_and_refunded(shop, word)
    assert await _refunds(shop) == [(_paid_back(shop), "completed", True)]
    assert await _noted(shop) == []


async def test_a_word_that_nobody_knows_is_noted_and_the_amount_counts(shop: Shop) -> None:
    await _cancelled_and_refunded(shop, "Bani dati")
    assert await _refunds(shop) == [(_paid_back(shop), "completed", True)]
    assert await _noted(shop) == [
        {"name": "order refund_status bani_dati", "value": "an unknown word"}
    ]


async def _cancelled_and_refunded(shop: Shop, word: str | None) -> None:
    """All of a cancelled order is paid back at eMAG, which calls that so."""
    an_order(shop, payment_mode_id=CARD)
    shop.market.card_is_cashed(ORDER)
    shop.market.panel_cancels(ORDER)
    shop.market.emag_refunds_order(ORDER)
    await _says(shop, word)


async def _says(shop: Shop, word: str | None) -> None:
    at_emag(shop)["refund_status"] = word
    shop.market.touch(at_emag(shop))
    await receive(shop)


def _paid_back(shop: Shop) -> Decimal:
    return Decimal(at_emag(shop)["refunded_amount"])


async def _refunds(shop: Shop) -> list[tuple[Any, ...]]:
    names = ("refund_amount", "refund_status", "refund_processed")
    return [tuple(row[name] for name in names) for row in await rows(shop)]


async def _noted(shop: Shop) -> list[dict[str, Any]]:
    return await shop.sql("SELECT name, value FROM app.emag_drift")
