"""Money that eMAG has and pays back, and what the ERP's invoices and cancellations say of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from integrations.emag.accounts import Account
from integrations.emag.routes import LIMITS, Bucket
from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from integrations.ledger.database import autocommit
from integrations.ledger.untold import take_untold
from integrations.sandbox.market import Market
from integrations.sync.foresee import foresee_orders
from tests.end_to_end.conftest import FILLED_FIRST, Shop
from tests.end_to_end.orders_in.conftest import (
    ORDER,
    at_emag,
    carry_out,
    changes,
    long_ago,
    receive,
    rows,
)

INVOICE, CANCELLATION = Kind.INVOICE, Kind.CANCELLATION
COD, TRANSFER, CARD = 1, 2, 3

# Three pieces of 100.00 with VAT; the shipping is 19.99.
LINES = [{"id": 11, "product_id": "1001", "quantity": 3, "sale_price": "82.6446", "vat": "0.2100"}]
GOODS, TOTAL = Decimal("300.00"), Decimal("319.99")


def sold(shop: Shop, mode: int = COD, **fields: Any) -> dict[str, Any]:
    """A finalized order of 319.99 that nobody has paid yet."""
    order = {"id": ORDER, "status": 4, "payment_mode_id": mode, "payment_status": 0}
    return shop.market.add_order({**order, "products": LINES, **fields})


@pytest.fixture
def account(account: Account, market: Market, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The seller's account at an eMAG that has no request limits."""
    monkeypatch.setitem(LIMITS, Bucket.ORDERS, 500.0)
    monkeypatch.setitem(LIMITS, Bucket.OTHER, 500.0)
    market.switches = replace(market.switches, limits=False)
    return replace(account, rates={})


async def invoice(shop: Shop, **fields: Any) -> int:
    """An invoice of the order's whole total that is no change to anybody any more."""
    values = {"total_amount": TOTAL, "pdf_url": shop.document("F-1"), **fields}
    row = await shop.erp.add(INVOICE, fields.pop("emag_order_id", ORDER), **values)
    await shop.run(INVOICE)
    await long_ago(shop)
    return row


async def told(shop: Shop, row: int) -> tuple[str, Decimal, bool]:
    """Status and paid amount of an invoice, and whether it says when it was paid."""
    found = await shop.erp.row(INVOICE, row)
    return found["status"], found["paid_amount"], found["paid_at"] is not None


async def paid(shop: Shop, row: int) -> tuple[str, float]:
    """Status and paid amount of an invoice in an ERP that was there first."""
    found = await shop.erp.row(INVOICE, row)
    return found["status"], found["paid_amount"]


async def refund(shop: Shop, row: int) -> tuple[Decimal, str, bool]:
    """What a cancellation says of its refund."""
    found = await shop.erp.row(CANCELLATION, row)
    return found["refund_amount"], found["refund_status"], found["refund_processed"]


class TestInvoices:
    async def test_cash_on_delivery_is_unpaid_until_emag_has_it(self, shop: Shop) -> None:
        sold(shop)
        row = await invoice(shop)
        await receive(shop)
        assert await told(shop, row) == ("issued", Decimal(0), False)
        shop.market.cod_is_cashed(ORDER)
        receipt = await receive(shop)
        assert await told(shop, row) == ("paid", TOTAL, True)
        assert receipt.brought[INVOICE] == {Brought.UPDATED: 1}

    async def test_a_card_payment_is_told_with_its_time(self, shop: Shop) -> None:
        sold(shop, CARD)
        row = await invoice(shop)
        shop.market.card_is_cashed(ORDER)
        await receive(shop)
        found = await shop.erp.row(INVOICE, row)
        modified = datetime.fromisoformat(at_emag(shop)["modified"])
        zone = shop.channel.account.zone
        assert found["paid_at"] == modified.replace(tzinfo=zone).astimezone(UTC).replace(
            tzinfo=None
        )

    async def test_an_order_that_is_paid_without_an_amount_pays_the_invoice(
        self,
        shop: Shop,
    ) -> None:
        sold(shop, TRANSFER)
        row = await invoice(shop)
        at_emag(shop)["payment_status"] = "1"
        await receive(shop)
        assert await told(shop, row) == ("paid", TOTAL, True)

    async def test_a_part_of_the_money_pays_no_invoice(self, shop: Shop) -> None:
        sold(shop)
        row = await invoice(shop)
        at_emag(shop)["cashed_cod"] = 100.1
        await receive(shop)
        assert await told(shop, row) == ("issued", Decimal("100.10"), True)

    @pytest.mark.parametrize("status", ["issued", "sent", "overdue"])
    async def test_whatever_the_erp_calls_an_unpaid_invoice_it_is_paid(
        self,
        shop: Shop,
        status: str,
    ) -> None:
        sold(shop)
        row = await invoice(shop, status=status)
        shop.market.cod_is_cashed(ORDER)
        await receive(shop)
        assert (await told(shop, row))[0] == "paid"

    @pytest.mark.parametrize(
        "fields",
        [
            {"status": "draft"},
            {"status": "cancelled"},
            {"invoice_type": "credit_note"},
            {"invoice_type": "proforma_invoice"},
        ],
    )
    async def test_what_is_no_sales_invoice_is_left_alone(
        self,
        shop: Shop,
        fields: dict[str, str],
    ) -> None:
        sold(shop, CARD, payment_status=1)
        row = await shop.erp.add(INVOICE, ORDER, total_amount=TOTAL, **fields)
        await receive(shop)
        assert (await told(shop, row))[1:] == (Decimal(0), False)

    async def test_money_queues_no_invoice_again(self, shop: Shop) -> None:
        sold(shop)
        row = await invoice(shop)
        shop.market.cod_is_cashed(ORDER)
        await receive(shop)
        assert await changes(shop) == 0
        report = await shop.run(INVOICE)
        assert (report.rows.total(), "order/read" in report.requests) == (0, False)
        assert await shop.state(INVOICE, row) == "synced"

    async def test_money_tells_nobody_again_that_an_invoice_is_refused(self, shop: Shop) -> None:
        sold(shop)
        row = await invoice(shop)
        books = "UPDATE app.emag_invoice_integrations SET sync_state = 'refused'"
        await shop.sql(f"{books}, last_synced_at = NULL")
        async with autocommit(shop.channel.engine) as connection:
            assert [each.row_id for each in await take_untold(connection)] == [row]
            shop.market.cod_is_cashed(ORDER)
            await receive(shop)
            assert await told(shop, row) == ("paid", TOTAL, True)
            assert await take_untold(connection) == []

    async def test_money_stands_beside_what_the_erp_has_not_sent_yet(
        self,
        shop: Shop,
    ) -> None:
        sold(shop, CARD, payment_status=1)
        row = await shop.erp.add(INVOICE, ORDER, total_amount=TOTAL, pdf_url=shop.document("F-1"))
        await receive(shop)
        assert (await told(shop, row))[0] == "paid"
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"
        assert [each["name"] for each in at_emag(shop)["attachments"]] != []

    async def test_an_invoice_issued_after_its_order_was_paid_is_paid_too(
        self,
        shop: Shop,
    ) -> None:
        sold(shop, CARD, payment_status=1)
        await receive(shop)
        shop.switch(modified_stands_still=True)
        row = await shop.erp.add(INVOICE, ORDER, total_amount=TOTAL)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "waiting:document"
        await long_ago(shop)
        await receive(shop)
        assert (await told(shop, row))[:2] == ("paid", TOTAL)

    async def test_an_invoice_without_an_emag_order_is_found_by_its_order(
        self,
        shop: Shop,
    ) -> None:
        sold(shop, CARD, payment_status=1)
        row = await shop.erp.add(INVOICE, None, order_id=ORDER, total_amount=TOTAL)
        await receive(shop)
        assert (await told(shop, row))[0] == "paid"

    async def test_what_is_paid_back_whole_makes_it_refunded(self, shop: Shop) -> None:
        sold(shop)
        row = await invoice(shop)
        shop.market.cod_is_cashed(ORDER)
        await receive(shop)
        shop.market.emag_refunds_order(ORDER, Decimal("100.00"))
        await receive(shop)
        assert (await told(shop, row))[0] == "paid"
        shop.market.emag_refunds_order(ORDER, TOTAL - Decimal("100.00"))
        await receive(shop)
        assert await told(shop, row) == ("refunded", TOTAL, True)

    async def test_of_several_none_is_refunded_before_all_is_paid_back(self, shop: Shop) -> None:
        sold(shop)
        first = await shop.erp.add(INVOICE, ORDER, total_amount=Decimal("30.00"))
        second = await shop.erp.add(INVOICE, ORDER, total_amount=TOTAL - 30)
        shop.market.cod_is_cashed(ORDER)
        shop.market.emag_refunds_order(ORDER, Decimal("100.00"))
        await receive(shop)
        assert [(await told(shop, row))[0] for row in (first, second)] == ["paid", "paid"]
        shop.market.emag_refunds_order(ORDER, TOTAL - 100)
        await receive(shop)
        assert [(await told(shop, row))[0] for row in (first, second)] == ["refunded", "refunded"]

    async def test_what_a_voucher_paid_is_not_waited_for(self, shop: Shop) -> None:
        sold(shop, CARD)
        at_emag(shop)["cashed_co"] = 290.0
        first = await shop.erp.add(INVOICE, ORDER, total_amount=Decimal("30.00"))
        second = await shop.erp.add(INVOICE, ORDER, total_amount=TOTAL - 30)
        shop.market.emag_refunds_order(ORDER, Decimal("290.00"))
        await receive(shop)
        assert [(await told(shop, row))[0] for row in (first, second)] == ["refunded", "refunded"]

    async def test_another_currency_is_left_to_a_person(self, shop: Shop) -> None:
        sold(shop, CARD, payment_status=1)
        row = await shop.erp.add(INVOICE, ORDER, total_amount=TOTAL, currency="EUR")
        receipt = await receive(shop)
        assert (await told(shop, row))[0] == "issued"
        assert [each.reason for each in receipt.parked] == [
            f"invoice {row} is in EUR, but order {ORDER} in RON: enter its payment by hand"
        ]

    @pytest.mark.parametrize("odd", ["1e300", "1e27", "-1e12", "Infinity", "-Infinity", "NaN"])
    async def test_a_total_that_is_no_amount_keeps_no_other_invoice_from_its_money(
        self, erp_first: Shop, odd: str
    ) -> None:
        shop = erp_first
        sold(shop, CARD, payment_status=1)
        sold(shop, CARD, payment_status=1, id=ORDER + 1)
        row = await shop.erp.insert("invoices", invoice_number="F-1", order_id=ORDER)
        other = await shop.erp.insert(
            "invoices", invoice_number="F-2", order_id=ORDER + 1, total_amount=float(TOTAL)
        )
        everything = "UPDATE app.invoices SET total_amount = CAST(:odd AS float8)"
        await shop.sql(f"{everything}, paid_amount = total_amount WHERE id = :id", odd=odd, id=row)
        foreseen = {each.row_id: each for each in (await foresee_orders(shop.channel)).news}

        receipt = await receive(shop)

        assert (await told(shop, row))[0] == "ISSUED"
        assert await paid(shop, other) == ("PAID", float(TOTAL))
        [parked] = receipt.parked
        assert f"invoice {row} has a total_amount of " in parked.reason
        assert "correct it" in parked.reason
        assert (foreseen[row].brought, foreseen[row].reason) == (Brought.PARKED, parked.reason)
        assert foreseen[other].brought is Brought.UPDATED

        await shop.erp.update(INVOICE, row, total_amount=float(TOTAL))
        await shop.sql("UPDATE app.emag_orders SET next_at = clock_timestamp()")
        receipt = await receive(shop)

        assert await paid(shop, row) == ("PAID", float(TOTAL))
        assert receipt.parked == []

    async def test_several_invoices_share_what_emag_has(self, shop: Shop) -> None:
        sold(shop)
        first = await shop.erp.add(INVOICE, ORDER, total_amount=Decimal("200.00"))
        second = await shop.erp.add(INVOICE, ORDER, total_amount=Decimal("119.99"))
        shop.market.cod_is_cashed(ORDER)
        await receive(shop)
        assert [(await told(shop, row))[:2] for row in (first, second)] == [
            ("paid", Decimal("200.00")),
            ("paid", Decimal("119.99")),
        ]

    async def test_what_is_paid_already_is_not_touched(self, shop: Shop) -> None:
        sold(shop, CARD, payment_status=1)
        paid_at = datetime(2026, 11, 3)  # noqa: DTZ001 - the ERP's times carry no zone
        row = await shop.erp.add(
            INVOICE, ORDER, status="paid", total_amount=TOTAL, paid_amount=TOTAL, paid_at=paid_at
        )
        receipt = await receive(shop)
        assert (await shop.erp.row(INVOICE, row))["paid_at"] == paid_at
        assert INVOICE not in receipt.brought

    async def test_an_erp_that_was_there_first_is_told_in_its_own_form(
        self, erp_first: Shop
    ) -> None:
        erp_first.market.add_order({"id": ORDER, "status": 4, "payment_status": 1})
        values = {**FILLED_FIRST["invoices"], "total_amount": 319.99, "order_id": ORDER}
        row = await erp_first.erp.insert("invoices", invoice_number="N-9", **values)
        await receive(erp_first)
        found = await erp_first.erp.row(INVOICE, row)
        assert (found["status"], found["paid_amount"]) == ("PAID", 319.99)


class TestRefunds:
    async def test_of_a_cancelled_order_is_part_of_its_row(self, shop: Shop) -> None:
        sold(shop, CARD, status=2)
        shop.market.card_is_cashed(ORDER)
        shop.market.panel_cancels(ORDER)
        shop.market.emag_refunds_order(ORDER, TOTAL)
        await receive(shop)
        [row] = await rows(shop)
        assert await refund(shop, row["id"]) == (TOTAL, "completed", True)

    async def test_that_comes_later_completes_the_row_step_by_step(
        self,
        shop: Shop,
    ) -> None:
        sold(shop, CARD, status=2)
        shop.market.card_is_cashed(ORDER)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        assert await refund(shop, row["id"]) == (Decimal(0), "pending", False)
        shop.market.emag_refunds_order(ORDER, Decimal("50.00"))
        await receive(shop)
        assert await refund(shop, row["id"]) == (Decimal("50.00"), "partial", True)
        shop.market.emag_refunds_order(ORDER, TOTAL - 50)
        await receive(shop)
        assert await refund(shop, row["id"]) == (TOTAL, "completed", True)
        assert await changes(shop) == 0

    async def test_of_a_storno_that_the_erp_asked_for_is_told(self, shop: Shop) -> None:
        sold(shop, CARD)
        shop.market.card_is_cashed(ORDER)
        item = {"product_id": "1001", "quantity": 1}
        row = await shop.erp.add(CANCELLATION, ORDER, item, refund_status="processing")
        await carry_out(shop)
        shop.market.emag_refunds_order(ORDER)
        await receive(shop)
        assert await refund(shop, row) == (Decimal("100.00"), "completed", True)
        assert await changes(shop) == 0
        report = await shop.run(CANCELLATION)
        assert report.requests == {}

    async def test_that_the_erp_asks_for_is_not_overwritten_before_it_is_sent(
        self,
        shop: Shop,
    ) -> None:
        sold(shop, CARD)
        shop.market.card_is_cashed(ORDER)
        item = {"product_id": "1001", "quantity": 1}
        row = await shop.erp.add(CANCELLATION, ORDER, item, refund_status="processing")
        shop.market.emag_refunds_order(ORDER, Decimal("10.00"))
        await receive(shop)
        assert await refund(shop, row) == (Decimal(0), "processing", False)

    async def test_goes_to_the_cancellations_in_their_order(self, shop: Shop) -> None:
        sold(shop, status=2)
        shop.market.panel_removes(ORDER, "1001", 1)
        await receive(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        shop.market.emag_refunds_order(ORDER, Decimal("150.00"))
        await receive(shop)
        first, second = [row["id"] for row in await rows(shop)]
        assert await refund(shop, first) == (Decimal("100.00"), "completed", True)
        assert await refund(shop, second) == (Decimal("50.00"), "partial", True)

    async def test_in_another_currency_than_the_row_is_left_to_a_person(self, shop: Shop) -> None:
        sold(shop, CARD, currency="EUR", status=2)
        row = await shop.erp.add(CANCELLATION, ORDER, currency="RON")
        await carry_out(shop)
        shop.market.card_is_cashed(ORDER)
        shop.market.emag_refunds_order(ORDER, TOTAL)
        receipt = await receive(shop)
        assert await refund(shop, row) == (Decimal(0), "pending", False)
        [parked] = receipt.parked
        assert (parked.kind, parked.reason) == (
            CANCELLATION,
            f"cancellation {row} is in RON, but order {ORDER} in EUR: enter its refund by hand",
        )
        entered = {"refund_amount": 1600, "refund_status": "completed", "refund_processed": True}
        await shop.erp.update(CANCELLATION, row, **entered)
        shop.market.touch(at_emag(shop))
        assert (await receive(shop)).parked == []
        assert (await refund(shop, row))[0] == 1600

    async def test_in_another_currency_is_told_of_a_wish_that_emag_fulfilled(
        self, shop: Shop
    ) -> None:
        sold(shop, CARD, currency="EUR", status=2, cancellation_request="2026-11-02 10:00:00")
        await receive(shop)
        [wish] = await rows(shop)
        await shop.erp.update(CANCELLATION, wish["id"], currency="RON")
        await shop.run(CANCELLATION, require_approval=True)
        shop.market.card_is_cashed(ORDER)
        shop.market.panel_cancels(ORDER)
        shop.market.emag_refunds_order(ORDER, TOTAL)
        receipt = await receive(shop)
        [row] = await rows(shop)
        assert (row["status"], row["refund_amount"]) == ("completed", 0)
        assert "is in RON" in receipt.parked[0].reason


class TestWhatWasNeverPaid:
    """Pieces that were cancelled before the customer paid for the rest, on delivery."""

    @staticmethod
    async def delivered(shop: Shop, **fields: Any) -> int:
        """Three pieces were ordered, one was cancelled in time, two are paid for."""
        sold(shop, COD, status=2, **fields)
        await receive(shop)
        item = {"emag_item_id": "11", "quantity": 1}
        early = await shop.erp.add(CANCELLATION, ORDER, item)
        await carry_out(shop)
        shop.market.finalize(ORDER)
        shop.market.cod_is_cashed(ORDER)
        await receive(shop)
        return early

    @pytest.mark.parametrize("shipping", [0, "19.99"])
    async def test_has_no_part_in_the_refund_of_a_storno(
        self, shop: Shop, shipping: str | int
    ) -> None:
        early = await self.delivered(shop, shipping_tax=shipping)
        item = {"emag_item_id": "11", "quantity": 1}
        storno = await shop.erp.add(CANCELLATION, ORDER, item, refund_status="processing")
        await carry_out(shop)
        shop.market.emag_refunds_order(ORDER, Decimal("40.00"))
        await receive(shop)
        assert await refund(shop, storno) == (Decimal("40.00"), "partial", True)
        shop.market.emag_refunds_order(ORDER, Decimal("60.00"))
        await receive(shop)
        assert await refund(shop, storno) == (Decimal("100.00"), "completed", True)
        assert (await refund(shop, early))[::2] == (Decimal(0), False)

    async def test_is_not_paid_back_by_the_refund_of_a_return(self, shop: Shop) -> None:
        early = await self.delivered(shop, shipping_tax=0)
        shop.market.emag_refunds_order(ORDER, Decimal("100.00"))
        await receive(shop)
        assert (await refund(shop, early))[::2] == (Decimal(0), False)

    async def test_has_no_part_in_it_though_the_shipping_cost_as_much(self, shop: Shop) -> None:
        cheap = {**LINES[0], "id": 12, "product_id": "1002", "quantity": 1, "sale_price": "8.2645"}
        sold(shop, COD, status=2, products=[*LINES, cheap], shipping_tax=19.99)
        await receive(shop)
        early = await shop.erp.add(CANCELLATION, ORDER, {"emag_item_id": "12", "quantity": 1})
        await carry_out(shop)
        shop.market.finalize(ORDER)
        shop.market.cod_is_cashed(ORDER)
        item = {"emag_item_id": "11", "quantity": 1}
        storno = await shop.erp.add(CANCELLATION, ORDER, item, refund_status="processing")
        await carry_out(shop)
        shop.market.emag_refunds_order(ORDER, Decimal("40.00"))
        await receive(shop)
        assert await refund(shop, storno) == (Decimal("40.00"), "partial", True)
        assert (await refund(shop, early))[::2] == (Decimal(0), False)

    async def test_gets_nothing_back_of_a_shipping_that_alone_was_paid(self, shop: Shop) -> None:
        sold(shop, TRANSFER, status=2, shipping_tax=19.99)
        at_emag(shop)["cashed_co"] = 19.99
        shop.market.panel_removes(ORDER, "1001", 1)
        shop.market.emag_refunds_order(ORDER, Decimal("19.99"))
        await receive(shop)
        [row] = await rows(shop)
        assert await refund(shop, row["id"]) == (Decimal(0), "pending", False)

    async def test_a_voucher_that_emag_shows_is_known_to_the_cent(self, shop: Shop) -> None:
        voucher = {"value": "-66.1157", "vat_value": "-13.8843"}
        early = await self.delivered(
            shop,
            shipping_tax=0,
            products=[{**LINES[0], "product_voucher_split": [voucher]}],
        )
        shop.market.emag_refunds_order(ORDER, Decimal("100.00"))
        await receive(shop)
        assert (await refund(shop, early))[::2] == (Decimal(0), False)

    async def test_a_voucher_is_no_piece_that_was_never_paid(self, shop: Shop) -> None:
        sold(shop, CARD, shipping_tax=0)
        at_emag(shop)["cashed_co"] = 260.0
        await receive(shop)
        item = {"emag_item_id": "11", "quantity": 1}
        storno = await shop.erp.add(CANCELLATION, ORDER, item, refund_status="processing")
        await carry_out(shop)
        shop.market.emag_refunds_order(ORDER, Decimal("86.67"))
        await receive(shop)
        assert await refund(shop, storno) == (Decimal("86.67"), "partial", True)
