"""Invoices: their documents attached to the orders at eMAG, each once and none twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from flows.artifacts import report_table
from integrations.erp.rows import Kind
from integrations.ledger.books import State
from integrations.sandbox.documents import DocumentKind
from integrations.sandbox.downloads import download_documents
from tests.end_to_end.conftest import Shop

INVOICE = Kind.INVOICE
ORDER = 480000101
SECRETS = ("Parola99", "vechi77", "Semnat88")


def attached(shop: Shop, order_id: int = ORDER) -> list[dict[str, Any]]:
    found = shop.market.orders.get(order_id)
    assert found is not None
    attachments: list[dict[str, Any]] = found["attachments"]
    return attachments


def saves(shop: Shop) -> int:
    return len(shop.market.journal.requests_to("order/attachments/save"))


async def issued(shop: Shop, **columns: Any) -> int:
    """An invoice with a document, of an order in progress."""
    if ORDER not in shop.market.orders:
        shop.market.add_order({"id": ORDER, "status": 2})
    if "pdf_url" not in columns:
        columns["pdf_url"] = shop.document("F-1001")
    return await shop.erp.add(INVOICE, ORDER, **{"invoice_number": "F-1001", **columns})


class TestAttaching:
    async def test_an_issued_invoice_is_attached_to_its_order(self, shop: Shop) -> None:
        row = await issued(shop)
        report = await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"
        [document] = attached(shop)
        assert document == {
            "order_id": ORDER,
            "order_type": 3,
            "name": "Factura F-1001",
            "url": shop.document("F-1001"),
            "type": 1,
            "force_download": 0,
            "visibility": "customer",
        }
        assert report.requests == {
            "customer-invoice/read": 1,
            "order/read": 1,
            "order/attachments/save": 1,
        }

    async def test_emag_can_fetch_what_was_attached(self, shop: Shop) -> None:
        await issued(shop)
        await shop.run(INVOICE)
        [download] = await download_documents(shop.market)
        assert download.ok

    @pytest.mark.parametrize(
        ("invoice_type", "kind", "name"),
        [
            ("sales_invoice", 1, "Factura F-1001"),
            ("corrected_invoice", 1, "Factura corectata F-1001"),
            ("credit_note", 1, "Nota de credit F-1001"),
            ("proforma_invoice", 11, "Proforma F-1001"),
        ],
    )
    async def test_each_type_of_the_erp_has_its_type_and_name_at_emag(
        self, shop: Shop, invoice_type: str, kind: int, name: str
    ) -> None:
        await issued(shop, invoice_type=invoice_type)
        await shop.run(INVOICE)
        assert [(each["type"], each["name"]) for each in attached(shop)] == [(kind, name)]

    async def test_a_name_is_cut_at_60_characters_and_keeps_the_number(self, shop: Shop) -> None:
        number = "SERIE-FOARTE-LUNGA-2026-" + "9" * 26
        row = await issued(shop, invoice_number=number, invoice_type="corrected_invoice")
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"
        [document] = attached(shop)
        assert document["name"].endswith(f" {number}")
        assert document["name"].startswith("Factura")
        assert len(document["name"]) <= 60

    @pytest.mark.parametrize("status", [0, 1, 3, 4, 5])
    async def test_the_orders_status_does_not_matter(self, shop: Shop, status: int) -> None:
        shop.market.add_order({"id": ORDER, "status": status})
        row = await issued(shop)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"
        assert len(attached(shop)) == 1

    async def test_an_order_fulfilled_by_emag_takes_documents(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 4, "type": 2})
        row = await issued(shop)
        report = await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"
        assert attached(shop)[0]["order_type"] == 2
        assert report.requests["order/read"] == 2

    async def test_several_documents_of_one_order_are_all_attached(self, shop: Shop) -> None:
        await issued(shop, invoice_type="proforma_invoice")
        await issued(shop, invoice_number="F-1002", pdf_url=shop.document("F-1002"))
        await shop.run(INVOICE)
        assert [each["type"] for each in attached(shop)] == [11, 1]

    async def test_many_invoices_share_a_page_and_a_save(self, shop: Shop) -> None:
        for each in range(30):
            shop.market.add_order({"id": ORDER + each, "status": 3})
            url = shop.document(f"F-{each}")
            await shop.erp.add(INVOICE, ORDER + each, invoice_number=f"F-{each}", pdf_url=url)
        report = await shop.run(INVOICE)
        assert report.rows[State.SYNCED] == 30
        assert sum(report.requests.values()) <= 0.3 * 30


class TestTheOrdersNumber:
    async def test_order_id_counts_where_emag_order_id_is_missing(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        url = shop.document("F-1001")
        row = await shop.erp.add(INVOICE, None, order_id=ORDER, pdf_url=url)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"

    async def test_without_either_the_row_is_refused_without_asking_for_an_order(
        self, shop: Shop
    ) -> None:
        row = await shop.erp.add(INVOICE, None, pdf_url=shop.document("F-1001"))
        report = await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "refused"
        assert report.requests == {"customer-invoice/read": 1}

    async def test_one_that_emag_does_not_know_is_asked_for_as_both_types_and_refused(
        self, shop: Shop
    ) -> None:
        row = await shop.erp.add(INVOICE, ORDER, pdf_url=shop.document("F-1001"))
        report = await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "refused"
        assert report.requests["order/read"] == 2


class TestWhatIsQueued:
    async def test_invoices_once_they_are_issued_never_drafts(self, shop: Shop) -> None:
        words = ["draft", "issued", "sent", "paid", "overdue", "cancelled", "refunded", "?"]
        rows = {word: await shop.erp.add(INVOICE, ORDER, status=word) for word in words}
        shop.market.add_order({"id": ORDER, "status": 2})
        await shop.run(INVOICE)
        queued = {"issued", "sent", "paid", "overdue"}
        assert await shop.queued(INVOICE) == {rows[word] for word in queued}

    async def test_a_draft_is_carried_once_it_is_issued(self, shop: Shop) -> None:
        row = await issued(shop, status="draft")
        await shop.run(INVOICE)
        assert attached(shop) == []
        await shop.erp.update(INVOICE, row, status="issued")
        await shop.run(INVOICE)
        assert len(attached(shop)) == 1

    async def test_once_queued_a_status_that_moves_on_does_not_withdraw(self, shop: Shop) -> None:
        row = await issued(shop, pdf_url=None)
        await shop.run(INVOICE)
        await shop.erp.update(INVOICE, row, status="refunded", pdf_url=shop.document("F-1001"))
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"


class TestTheDocument:
    @pytest.mark.parametrize("blank", [None, "", "   "])
    async def test_an_invoice_without_one_waits_for_it(self, shop: Shop, blank: str | None) -> None:
        row = await issued(shop, pdf_url=blank)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "waiting:document"
        assert "pdf_url" in await shop.reason(INVOICE, row)
        await shop.erp.update(INVOICE, row, pdf_url=shop.document("F-1001"))
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"

    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            ("html", "no PDF"),
            ("big", "larger than 10 MB"),
            ("cut", "cut off"),
            ("missing", "HTTP 404"),
        ],
    )
    async def test_one_that_emag_could_not_show_is_refused_before_it_is_attached(
        self, shop: Shop, kind: DocumentKind, said: str
    ) -> None:
        row = await issued(shop, pdf_url=shop.document("F-1001", kind))
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "refused"
        assert said in await shop.reason(INVOICE, row)
        assert saves(shop) == 0

    async def test_an_address_where_nothing_was_ever_put_is_refused(self, shop: Shop) -> None:
        row = await issued(shop)
        shop.market.documents.clear()
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "refused"
        assert "HTTP 404" in await shop.reason(INVOICE, row)

    async def test_a_host_that_does_not_answer_is_asked_again_later(self, shop: Shop) -> None:
        row = await issued(shop, pdf_url="http://127.0.0.1:9/F-1001.pdf")
        await shop.run(INVOICE)
        books = await shop.books(INVOICE, row)
        assert (books["sync_state"], books["sync_attempts"]) == ("pending", 1)
        assert "did not answer" in books["error_message"]
        assert saves(shop) == 0

    async def test_a_setting_turns_the_look_at_it_off(self, shop: Shop) -> None:
        row = await issued(shop, pdf_url=shop.document("F-1001", "html"))
        await shop.run(INVOICE, check_documents=False)
        assert await shop.state(INVOICE, row) == "synced"
        assert len(attached(shop)) == 1


class TestSecretsInAddresses:
    """An address may hold a login or a token; nobody is shown them, and eMAG gets them."""

    @pytest.mark.parametrize("scheme", ["https", "ftp"])
    async def test_no_message_shows_them(self, shop: Shop, scheme: str) -> None:
        address = f"{scheme}://erp:Parola99@files.example/F-1001.pdf"
        there = {"name": "Factura F-1001", "url": f"{address}?token=vechi77", "type": 1}
        hanging = [there] if scheme == "https" else []
        shop.market.add_order({"id": ORDER, "status": 2, "attachments": hanging})
        row = await issued(shop, pdf_url=f"{address}?token=Semnat88")
        report = await shop.run(INVOICE)
        told = [
            await shop.reason(INVOICE, row),
            json.dumps(report.to_json()),
            json.dumps(report_table([report])),
        ]
        assert all("***@files.example/" in text for text in told)
        assert not [text for text in told for each in SECRETS if each in text]

    async def test_emag_gets_the_whole_address(self, shop: Shop) -> None:
        address = shop.document("F-1001").replace("://", "://erp:Parola99@") + "?token=Semnat88"
        row = await issued(shop, pdf_url=address)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"
        assert attached(shop)[0]["url"] == address


class TestNoSecondDocument:
    @pytest.mark.parametrize("duplicates", ["kept", "merged"])
    async def test_the_same_document_attached_already_is_synced_without_a_write(
        self, shop: Shop, duplicates: str
    ) -> None:
        shop.switch(attachment_duplicates=duplicates)
        there = {"name": "Factura mea", "url": shop.document("F-1001"), "type": 1}
        shop.market.add_order({"id": ORDER, "status": 2, "attachments": [there]})
        row = await issued(shop)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"
        assert saves(shop) == 0
        assert (await shop.books(INVOICE, row))["emag_invoice_id"] == f"{ORDER}/Factura mea"

    @pytest.mark.parametrize("duplicates", ["kept", "merged"])
    async def test_what_was_carried_is_not_carried_again(self, shop: Shop, duplicates: str) -> None:
        shop.switch(attachment_duplicates=duplicates)
        row = await issued(shop)
        await shop.run(INVOICE)
        await shop.replay(INVOICE, row)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"
        assert saves(shop) == 1

    async def test_the_same_number_under_another_address_is_refused_and_shows_both(
        self, shop: Shop
    ) -> None:
        old = shop.document("vechi")
        there = {"name": "Factura F-1001", "url": old, "type": 1}
        shop.market.add_order({"id": ORDER, "status": 2, "attachments": [there]})
        row = await issued(shop)
        await shop.run(INVOICE)
        reason = await shop.reason(INVOICE, row)
        assert await shop.state(INVOICE, row) == "refused"
        assert (old in reason, shop.document("F-1001") in reason) == (True, True)
        assert saves(shop) == 0

    async def test_a_document_that_the_erp_moves_is_not_attached_a_second_time(
        self, shop: Shop
    ) -> None:
        row = await issued(shop)
        await shop.run(INVOICE)
        await shop.erp.update(INVOICE, row, pdf_url=shop.document("altul"))
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "refused"
        assert len(attached(shop)) == 1

    async def test_a_longer_number_that_begins_alike_is_another_invoice(self, shop: Shop) -> None:
        there = {"name": "Factura F-10012", "url": shop.document("alta"), "type": 1}
        shop.market.add_order({"id": ORDER, "status": 2, "attachments": [there]})
        row = await issued(shop)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"
        assert len(attached(shop)) == 2

    async def test_an_invoice_that_emag_attached_itself_is_not_doubled(self, shop: Shop) -> None:
        url = "https://marketplace.emag.ro/facturi/EXF900001.pdf"
        there = {"name": "EXF900001", "url": url, "type": 1}
        shop.market.add_order({"id": ORDER, "status": 4, "attachments": [there]})
        row = await issued(shop)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "refused"
        assert "eMAG's own invoice" in await shop.reason(INVOICE, row)
        assert saves(shop) == 0


class TestInvoicesThatEmagIssues:
    @pytest.mark.parametrize("at_root", [False, True])
    @pytest.mark.parametrize(
        ("invoice_type", "category", "state"),
        [
            ("sales_invoice", "normal", "refused"),
            ("corrected_invoice", "normal", "refused"),
            ("credit_note", "storno", "refused"),
            ("credit_note", "normal", "synced"),
            ("proforma_invoice", "normal", "synced"),
        ],
    )
    async def test_no_second_fiscal_document_appears_beside_them(
        self, shop: Shop, invoice_type: str, category: str, state: str, at_root: bool
    ) -> None:
        shop.switch(invoices_at_root=at_root)
        shop.market.add_issued_invoice(
            {"category": category, "order_id": ORDER, "number": "EXF900001"}
        )
        row = await issued(shop, invoice_type=invoice_type)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == state
        assert len(attached(shop)) == (state == "synced")
        if state == "refused":
            assert "EXF900001" in await shop.reason(INVOICE, row)

    async def test_short_pages_hide_none_of_them(self, shop: Shop) -> None:
        shop.switch(page_cap=7)
        others = [{"category": "normal", "order_id": ORDER + 1 + each} for each in range(14)]
        for each in (*others[:7], {"category": "normal", "order_id": ORDER}, *others[7:]):
            shop.market.add_issued_invoice(each)
        row = await issued(shop)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "refused"

    async def test_one_that_was_taken_back_does_not_count(self, shop: Shop) -> None:
        shop.market.add_issued_invoice(
            {"category": "normal", "order_id": ORDER, "number": "EXF900001"}
        )
        shop.market.add_issued_invoice(
            {"category": "storno", "order_id": ORDER, "reversal_for": "EXF900001"}
        )
        row = await issued(shop)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"

    async def test_one_of_another_order_does_not_count(self, shop: Shop) -> None:
        shop.market.add_issued_invoice({"category": "normal", "order_id": ORDER + 1})
        row = await issued(shop)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"

    async def test_they_are_mirrored_by_date_not_read_for_each_row(self, shop: Shop) -> None:
        rows = [await issued(shop, invoice_number=f"F-{each}", pdf_url=None) for each in range(5)]
        first = await shop.run(INVOICE)
        shop.market.add_issued_invoice({"category": "normal", "order_id": ORDER})
        await shop.erp.update(INVOICE, rows[0], pdf_url=shop.document("F-1001"))
        second = await shop.run(INVOICE)
        assert await shop.state(INVOICE, rows[0]) == "refused"
        assert first.requests["customer-invoice/read"] == 1
        assert (
            second.requests["customer-invoice/read"] == 2
        )  # the second shows that there are no more

    @pytest.mark.parametrize("days", [1, 4, 13])
    async def test_one_that_emag_enters_late_counts(self, shop: Shop, days: int) -> None:
        await shop.run(INVOICE)
        dated = datetime.now(shop.channel.account.zone).date() - timedelta(days=days)
        shop.market.add_issued_invoice(
            {"category": "normal", "order_id": ORDER, "date": dated.isoformat()}
        )
        row = await issued(shop)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "refused"
        assert attached(shop) == []

    async def test_those_that_are_known_are_not_written_again(self, shop: Shop) -> None:
        shop.market.add_issued_invoice({"category": "normal", "order_id": ORDER})
        version = "SELECT xmin::text FROM app.emag_issued_invoices"
        await shop.run(INVOICE)
        first = await shop.sql(version)
        await shop.run(INVOICE)
        assert await shop.sql(version) == first

    async def test_those_to_the_seller_are_mirrored_with_the_news(self, shop: Shop) -> None:
        shop.market.add_issued_invoice({"category": "FC", "number": "C-MKTP-1"})
        known = "SELECT number, source FROM app.emag_issued_invoices"
        await shop.run(INVOICE)
        assert await shop.sql(known) == []
        for report in (await shop.receive(INVOICE), await shop.run_both(INVOICE)):
            assert report.requests["invoice/read"] == 2  # the second shows that there are no more
            assert await shop.sql(known) == [{"number": "C-MKTP-1", "source": "invoice"}]


class TestWithdrawing:
    @pytest.mark.parametrize("word", ["rejected", "cancelled", None])
    async def test_before_anything_was_sent_the_row_is_withdrawn(
        self, shop: Shop, word: str | None
    ) -> None:
        row = await issued(shop, pdf_url=None)
        await shop.run(INVOICE)
        if word is None:
            await shop.erp.delete(INVOICE, row)
        else:
            await shop.erp.update(INVOICE, row, status=word, pdf_url=shop.document("F-1001"))
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "withdrawn"
        assert attached(shop) == []

    async def test_after_it_was_sent_the_row_is_refused_with_both_sides_shown(
        self, shop: Shop
    ) -> None:
        row = await issued(shop)
        await shop.run(INVOICE)
        await shop.erp.update(INVOICE, row, status="cancelled")
        await shop.run(INVOICE)
        reason = await shop.reason(INVOICE, row)
        assert await shop.state(INVOICE, row) == "refused"
        assert ("cancelled" in reason, f"order {ORDER}" in reason) == (True, True)


class TestWhatIsWrittenDown:
    async def test_the_erp_learns_the_attachment_and_keeps_its_own_columns(
        self, shop: Shop
    ) -> None:
        row = await issued(shop)
        before = await shop.erp.row(INVOICE, row)
        await shop.run(INVOICE)
        written = {"emag_invoice_id": f"{ORDER}/Factura F-1001"}
        assert await shop.erp.row(INVOICE, row) == {**before, **written}

    async def test_our_books_hold_the_same_with_the_word_attached(self, shop: Shop) -> None:
        row = await issued(shop)
        await shop.run(INVOICE)
        books = await shop.books(INVOICE, row)
        assert books["emag_invoice_id"] == f"{ORDER}/Factura F-1001"
        assert books["emag_status"] == "attached"
        said = json.loads(books["emag_response"])
        assert (said["verdict"], said["http_status"]) == ("applied", 200)

    async def test_an_erp_that_was_there_first_is_served_in_its_own_words(
        self, erp_first: Shop
    ) -> None:
        row = await issued(erp_first, status="PAID", invoice_type="CREDIT_NOTE")
        await erp_first.run(INVOICE)
        [document] = attached(erp_first)
        assert document["name"] == "Nota de credit F-1001"
        written = await erp_first.erp.row(INVOICE, row)
        assert written["emag_invoice_id"] == f"{ORDER}/Nota de credit F-1001"
        assert written["status"] == "PAID"


class TestAccounts:
    async def test_a_row_is_carried_by_the_account_it_names(self, shop: Shop, fbe: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 4, "type": 2})
        row = await issued(shop, account_type="FBE")
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "pending"
        await fbe.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"
        assert attached(shop)[0]["order_type"] == 2

    async def test_a_row_of_an_unknown_account_waits_for_it(self, shop: Shop) -> None:
        row = await issued(shop, account_type="outlet")
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "waiting:account"
        assert attached(shop) == []


DISAGREEING: Mapping[str, Mapping[str, Any]] = {
    "numbers as texts": {"strings_for_numbers": True, "unknown_fields": True},
    "empty nulls": {"empty_objects": "null", "empty_reason": "object"},
    "strict": {"null_filters": "refused", "clip_page_size": False, "message_key": "message"},
    "any type at once": {"order_read_default_type": None, "attachments_filter": "data"},
}


@pytest.mark.parametrize("switches", DISAGREEING.values(), ids=DISAGREEING.keys())
async def test_the_same_happens_whichever_way_emag_behaves(
    shop: Shop, switches: Mapping[str, Any]
) -> None:
    shop.switch(**switches)
    row = await issued(shop)
    await shop.run(INVOICE)
    await shop.replay(INVOICE, row)
    await shop.run(INVOICE)
    assert await shop.state(INVOICE, row) == "synced"
    assert [each["name"] for each in attached(shop)] == ["Factura F-1001"]
