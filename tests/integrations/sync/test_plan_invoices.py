"""Invoices: attached once, under a name that holds their number, and no second fiscal document."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from integrations.emag.issued_invoices import IssuedInvoice
from integrations.emag.routes import ATTACHMENTS_SAVE
from integrations.emag.wire import Order
from integrations.erp.rows import InvoiceRow
from integrations.sync.plan import (
    Do,
    Event,
    Known,
    Plan,
    Refused,
    Synced,
    Waiting,
    Withdrawn,
    body_of,
)
from integrations.sync.plan_invoices import Document, attachment_name, plan_invoice
from tests.integrations.sync.model import NOW, ORDER_ID, an_order, invoice_row

UNKNOWN = Known()
URL = "https://docs.example.com/FCT-100.pdf"
OTHER_URL = "https://docs.example.com/other.pdf"
EMAGS_URL = "https://marketplace.emag.ro/invoice/1.pdf"
TYPES = ["sales_invoice", "credit_note", "corrected_invoice", "proforma_invoice"]


def plan(
    row: InvoiceRow | None,
    order: Order | None,
    *issued: IssuedInvoice,
    known: Known = UNKNOWN,
    document: Document | None = None,
) -> Plan:
    return plan_invoice(row, known, order, issued, document, NOW)


def reason_of(plan: Plan) -> str:
    assert isinstance(plan, Refused | Waiting | Withdrawn), plan
    return plan.reason


def order_with(*attachments: tuple[str, str, int], status: int = 4, **fields: Any) -> Order:
    raw = [{"name": name, "url": url, "type": kind} for name, url, kind in attachments]
    return an_order(status, attachments=raw, **fields)


def issued(
    number: str,
    category: str = "normal",
    *,
    order_id: int = ORDER_ID,
    reversal_for: str | None = None,
) -> IssuedInvoice:
    storno = category == "storno"
    return IssuedInvoice(number, order_id, category, None, reversal_for, storno)


@pytest.mark.parametrize("order_type", [2, 3])
@pytest.mark.parametrize(
    ("invoice_type", "name", "kind"),
    [
        ("sales_invoice", "Factura FCT 100", 1),
        ("credit_note", "Nota de credit FCT 100", 1),
        ("corrected_invoice", "Factura corectata FCT 100", 1),
        ("proforma_invoice", "Proforma FCT 100", 11),
    ],
)
def test_each_type_is_attached_under_its_name_to_orders_of_both_kinds(
    invoice_type: str, name: str, kind: int, order_type: int
) -> None:
    outcome = plan(invoice_row(invoice_type), order_with(type=order_type))
    assert isinstance(outcome, Do)
    (step,) = outcome.steps
    assert (step.route, step.subject) == (ATTACHMENTS_SAVE, ORDER_ID)
    assert body_of(step) == {
        "order_id": ORDER_ID,
        "order_type": order_type,
        "name": name,
        "url": URL,
        "type": kind,
        "force_download": 0,
    }
    assert outcome.then.emag_id == f"{ORDER_ID}/{name}"
    assert outcome.then.emag_status == "attached"


@pytest.mark.parametrize("status", [0, 1, 2, 3, 4, 5, 9])
def test_the_orders_status_is_no_reason_to_refuse(status: int) -> None:
    assert isinstance(plan(invoice_row(), order_with(status=status)), Do)


def test_an_order_that_is_not_found_is_refused() -> None:
    assert "is not known at eMAG" in reason_of(plan(invoice_row(), None))


@pytest.mark.parametrize("word", [None, "", "nonsense", "x" * 10_000, "\u0219"])
def test_a_nonsense_type_is_refused_and_names_the_words(word: str | None) -> None:
    reason = reason_of(plan(invoice_row(word), order_with()))
    assert "corrected_invoice, credit_note, proforma_invoice, sales_invoice" in reason
    assert reason.isascii()
    assert len(reason) < 300


@pytest.mark.parametrize("number", [None, "", "  \n ", "9" * 61])
def test_a_number_that_no_name_can_hold_is_refused(number: str | None) -> None:
    assert "number" in reason_of(plan(invoice_row(number=number), order_with()))


class TestNames:
    """What the document is called at eMAG."""

    @pytest.mark.parametrize("length", range(1, 61))
    @pytest.mark.parametrize("label", ["Factura", "Factura corectata"])
    def test_a_name_has_at_most_60_characters_and_the_whole_number(
        self, label: str, length: int
    ) -> None:
        number = ("1234567890" * 6)[:length]
        name = attachment_name(label, number)
        assert len(name) <= 60
        assert name.endswith(number)
        assert name == name.strip()

    def test_the_label_is_what_gives_way(self) -> None:
        assert attachment_name("Factura corectata", "9" * 50) == "Factura c " + "9" * 50

    def test_blanks_in_a_number_are_folded(self) -> None:
        outcome = plan(invoice_row(number=" FCT\n 100 "), order_with())
        assert isinstance(outcome, Do)
        assert outcome.then.emag_id == f"{ORDER_ID}/Factura FCT 100"


class TestAttachedAlready:
    """What hangs on the order."""

    @pytest.mark.parametrize("invoice_type", TYPES)
    @pytest.mark.parametrize("name", ["Factura FCT 100", "whatever"])
    def test_the_same_document_is_synced_whatever_its_name(
        self, invoice_type: str, name: str
    ) -> None:
        kind = 11 if invoice_type == "proforma_invoice" else 1
        outcome = plan(invoice_row(invoice_type), order_with((name, URL, kind)), issued("E1"))
        assert isinstance(outcome, Synced)
        assert (outcome.emag_id, outcome.emag_status) == (f"{ORDER_ID}/{name}", "attached")

    def test_planning_again_after_an_applied_request_finds_it(self) -> None:
        first = plan(invoice_row(), order_with())
        assert isinstance(first, Do)
        body = body_of(first.steps[0]) or {}
        order = order_with((body["name"], body["url"], body["type"]))
        again = plan(invoice_row(), order, known=Known(sent=True))
        assert isinstance(again, Synced)
        assert again.emag_id == first.then.emag_id

    def test_the_same_address_as_another_type_is_another_document(self) -> None:
        assert isinstance(plan(invoice_row(), order_with(("Proforma FCT 100", URL, 11))), Do)

    @pytest.mark.parametrize(
        "name",
        [
            "Factura FCT 100",
            "FCT 100",
            "fct 100.pdf",
            "Factura nr.FCT 100",
            "Factura_FCT 100",
            "(FCT 100)",
        ],
    )
    def test_the_same_number_under_another_address_is_refused_and_shows_both(
        self, name: str
    ) -> None:
        reason = reason_of(plan(invoice_row(), order_with((name, OTHER_URL, 1))))
        assert OTHER_URL in reason
        assert URL in reason

    def test_two_addresses_that_differ_in_what_is_secret_are_said_to_differ(self) -> None:
        row = invoice_row(url=f"{URL}?signed=Zq7")
        reason = reason_of(plan(row, order_with(("FCT 100", f"{URL}?signed=Kx9", 1))))
        assert reason.count(f'"{URL}?***"') == 2
        assert "(they differ in what is not shown)" in reason

    @pytest.mark.parametrize(
        ("number", "name"),
        [
            ("FCT 100", "Factura FCT 1001"),
            ("FCT 100", "Factura AFCT 100"),
            ("100", "Factura 100/2026"),
            ("1", "Factura 2026-1"),
            ("1", "Factura 2026.1"),
            ("1", "Factura 1.2"),
            (".*", "Factura 12"),
        ],
    )
    def test_a_number_is_found_as_a_whole_only(self, number: str, name: str) -> None:
        assert isinstance(plan(invoice_row(number=number), order_with((name, OTHER_URL, 1))), Do)

    def test_the_same_number_as_another_type_of_attachment_does_not_matter(self) -> None:
        order = order_with(("AWB FCT 100", OTHER_URL, 10), ("Proforma FCT 100", OTHER_URL, 11))
        assert isinstance(plan(invoice_row(), order), Do)

    def test_a_row_whose_number_and_address_were_edited_attaches_no_second_document(self) -> None:
        order = order_with(("Factura FCT 100", URL, 1))
        known = Known(f"{ORDER_ID}/Factura FCT 100", sent=True)
        edited = invoice_row(number="FCT 101", url=OTHER_URL)
        reason = reason_of(plan(edited, order, known=known))
        assert URL in reason
        assert OTHER_URL in reason

    def test_an_invoice_that_lost_its_address_after_it_was_attached_stays_synced(self) -> None:
        outcome = plan(invoice_row(url=None), order_with(("Factura FCT 100", URL, 1)))
        assert isinstance(outcome, Synced)


class TestNoSecondFiscalDocument:
    """eMAG made the invoice itself."""

    @pytest.mark.parametrize(
        ("invoice_type", "category"), list(product(TYPES, ["normal", "storno", "other"]))
    )
    def test_one_that_emag_issued_forbids_its_like(self, invoice_type: str, category: str) -> None:
        outcome = plan(invoice_row(invoice_type), order_with(), issued("EM-7", category))
        forbidden = {
            ("sales_invoice", "normal"),
            ("corrected_invoice", "normal"),
            ("credit_note", "storno"),
        }
        if (invoice_type, category) in forbidden:
            assert "EM-7" in reason_of(outcome)
        else:
            assert isinstance(outcome, Do)

    def test_one_that_was_taken_back_forbids_nothing(self) -> None:
        both = [issued("EM-7"), issued("EM-8", "storno", reversal_for="EM-7")]
        assert isinstance(plan(invoice_row(), order_with(), *both), Do)
        assert "EM-9" in reason_of(plan(invoice_row(), order_with(), *both, issued("EM-9")))

    def test_one_of_another_order_forbids_nothing(self) -> None:
        assert isinstance(plan(invoice_row(), order_with(), issued("EM-7", order_id=5)), Do)

    @pytest.mark.parametrize("invoice_type", TYPES)
    @pytest.mark.parametrize("url", [EMAGS_URL, "https://emag.bg/x.pdf", "HTTPS://CDN.EMAG.HU/x"])
    def test_an_attachment_of_emags_own_forbids_invoices(self, invoice_type: str, url: str) -> None:
        outcome = plan(invoice_row(invoice_type), order_with(("Factura EM7", url, 1)))
        if invoice_type in {"sales_invoice", "corrected_invoice"}:
            assert "eMAG's own invoice" in reason_of(outcome)
        else:
            assert isinstance(outcome, Do)

    @pytest.mark.parametrize(
        ("url", "kind"),
        [
            (EMAGS_URL, 10),
            ("https://emag.shop.example.com/x.pdf", 1),
            ("https://notemag.ro/x.pdf", 1),
            ("https://[broken/x.pdf", 1),
        ],
    )
    def test_other_attachments_forbid_nothing(self, url: str, kind: int) -> None:
        assert isinstance(plan(invoice_row(), order_with(("AWB", url, kind))), Do)


class TestDocuments:
    """What eMAG is to fetch."""

    @pytest.mark.parametrize("url", [None, "", "  "])
    @pytest.mark.parametrize("document", [None, Document(ok=False, problem="no address")])
    def test_without_an_address_the_row_waits_for_the_document(
        self, url: str | None, document: Document | None
    ) -> None:
        outcome = plan(invoice_row(url=url), order_with(), document=document)
        assert isinstance(outcome, Waiting)
        assert outcome.event is Event.DOCUMENT

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://docs.example.com/1.pdf",
            "file:///etc/passwd",
            "docs.example.com/1.pdf",
            "https://",
            "https://docs.example.com/a b.pdf",
            "https://[broken/1.pdf",
            "javascript:alert(1)",
            "https://docs.example.com/" + "x" * 1000,
            "\x00",
        ],
    )
    def test_an_address_that_emag_cannot_fetch_is_refused(self, url: str) -> None:
        reason = reason_of(plan(invoice_row(url=url), order_with()))
        assert "pdf_url" in reason
        assert reason.isascii()
        assert len(reason) < 300

    def test_an_address_of_1024_characters_still_fits(self) -> None:
        url = "http://docs.example.com/".ljust(1024, "x")
        assert isinstance(plan(invoice_row(url=url), order_with()), Do)
        assert isinstance(plan(invoice_row(url=url + "x"), order_with()), Refused)

    def test_a_document_that_cannot_be_used_is_refused_with_its_problem(self) -> None:
        bad = Document(ok=False, problem="it is no PDF")
        assert "it is no PDF" in reason_of(plan(invoice_row(), order_with(), document=bad))
        untold = Document(ok=False)
        assert "can't be used" in reason_of(plan(invoice_row(), order_with(), document=untold))

    def test_a_good_document_is_attached(self) -> None:
        assert isinstance(plan(invoice_row(), order_with(), document=Document(ok=True)), Do)

    def test_what_is_attached_already_needs_no_document(self) -> None:
        order = order_with(("Factura FCT 100", URL, 1))
        bad = Document(ok=False, problem="it is gone")
        assert isinstance(plan(invoice_row(), order, document=bad), Synced)


class TestWithdrawn:
    """The ERP takes its wish back."""

    @pytest.mark.parametrize("row", [None, invoice_row(status="cancelled")])
    def test_before_and_after_it_was_sent(self, row: InvoiceRow | None) -> None:
        assert isinstance(plan(row, order_with()), Withdrawn)
        assert isinstance(plan(row, None), Withdrawn)
        reason = reason_of(plan(row, order_with(), known=Known(sent=True)))
        assert "after its change was sent" in reason

    @pytest.mark.parametrize("status", ["draft", "paid", "refunded", "nonsense", ""])
    def test_a_status_that_merely_moved_on_withdraws_nothing(self, status: str) -> None:
        assert isinstance(plan(invoice_row(status=status), order_with()), Do)
