"""The plan of an invoice: its document attached to the order once, and no second fiscal one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from integrations.emag.issued_invoices import IssuedInvoice
from integrations.emag.masking import without_secrets
from integrations.emag.routes import ATTACHMENTS_SAVE
from integrations.emag.wire import Attachment, Order, day
from integrations.erp.rows import InvoiceRow, withdraws
from integrations.sync.plan import (
    Do,
    Event,
    Known,
    Plan,
    Refused,
    Step,
    Synced,
    Waiting,
    withdrawn,
)
from integrations.sync.wishes import INVOICE_WISHES, Paper, choice, shown

LONGEST_NAME: Final = 60
LONGEST_URL: Final = 1024
SHOWN_URL: Final = 200
INVOICE: Final = 1
ATTACHED: Final = "attached"
EMAG_HOST: Final = re.compile(r"(^|\.)emag\.[a-z]+$")


@dataclass(frozen=True, slots=True)
class Document:
    """What came of fetching a row's document, as eMAG would."""

    ok: bool
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """An invoice that can be named and typed, with what decides about it."""

    known: Known
    order: Order
    issued: Sequence[IssuedInvoice]
    document: Document | None
    paper: Paper
    number: str
    url: str

    @property
    def name(self) -> str:
        return attachment_name(self.paper.label, self.number)


def plan_invoice(
    row: InvoiceRow | None,
    known: Known,
    order: Order | None,
    issued: Sequence[IssuedInvoice],
    document: Document | None,
    now: datetime,
) -> Plan:
    """What to do about an invoice (None: deleted in the ERP). Nothing of one depends on `now`.

    `issued` are the invoices that eMAG issued in the seller's name, of this order at least, and
    those that may be of any, since their order can't be read;
    `document` is None where it needn't be looked at, or not yet.
    """
    if row is None or withdraws(row):
        return withdrawn(known, row, order)
    if order is None:
        return Refused(f"Order {row.order_id} is not known at eMAG: correct emag_order_id.")
    paper = INVOICE_WISHES.get(row.invoice_type or "")
    number = " ".join((row.number or "").split())
    if paper is None:
        return Refused(
            f"The invoice's type {shown(row.invoice_type)} means nothing; set one of"
            f" {choice(INVOICE_WISHES)}."
        )
    if not number or len(number) > LONGEST_NAME:
        return Refused(
            f"The invoice's number {shown(number)} must have 1 to {LONGEST_NAME} characters,"
            " as eMAG's name of the document holds it: correct it."
        )
    case = _Case(known, order, issued, document, paper, number, (row.pdf_url or "").strip())
    return next(plan for judge in JUDGES if (plan := judge(case)) is not None)


def attachment_name(label: str, number: str) -> str:
    """What the document is called at eMAG, cut to 60 characters without touching its number."""
    label = label[: max(0, LONGEST_NAME - 1 - len(number))].strip()
    return f"{label} {number}".strip()


def _attached(case: _Case) -> Plan | None:
    """The same document hangs there already."""
    for each in _alike(case):
        if each.url == case.url or (not case.url and _holds(each.name, case.number)):
            return Synced(
                f"{case.order.id}/{each.name}", ATTACHED, f"{shown(each.name, 60)} is attached"
            )
    return None


def _attached_elsewhere(case: _Case) -> Plan | None:
    """The same invoice, or what this row attached before, hangs there under another address."""
    for each in _alike(case):
        ours = case.known.emag_id == f"{case.order.id}/{each.name}"
        if ours or _holds(each.name, case.number):
            theirs, erps = _address(each.url, SHOWN_URL), _address(case.url, SHOWN_URL)
            alike = " (they differ in what is not shown)" if theirs == erps else ""
            return Refused(
                f"Order {case.order.id} has {shown(each.name, 60)} at {theirs} already, the ERP"
                f" names {erps}{alike}: eMAG can neither replace nor delete a document, so set"
                " pdf_url and the number back to eMAG's."
            )
    return None


def _issued_by_emag(case: _Case) -> Plan | None:
    """eMAG made this fiscal document itself, as its list of invoices says."""
    for each in _standing(case.issued, case.order.id):
        if _category(each) == case.paper.forbidden_by:
            return Refused(
                f"eMAG issued the {case.paper.forbidden_by} invoice {shown(each.number)} for order"
                f" {case.order.id} itself, and a second one must not appear: cancel the ERP's."
            )
    return None


def _hosted_by_emag(case: _Case) -> Plan | None:
    """eMAG made this fiscal document itself, as its own attachment says."""
    if case.paper.forbidden_by != "normal":
        return None
    for each in case.order.attachments:
        if each.type == INVOICE and EMAG_HOST.search(_host(each.url)):
            return Refused(
                f"Order {case.order.id} holds eMAG's own invoice {shown(each.name, 60)}, and a"
                " second one must not appear: cancel the ERP's."
            )
    return None


def _no_document(case: _Case) -> Plan | None:
    if case.url:
        return None
    return Waiting(
        Event.DOCUMENT,
        f"Invoice {shown(case.number)} has no document yet: put its address into pdf_url.",
    )


def _bad_address(case: _Case) -> Plan | None:
    fine = len(case.url) <= LONGEST_URL and ADDRESS.fullmatch(case.url) and _host(case.url)
    if fine:
        return None
    return Refused(
        f"The document's address {_address(case.url)} is none that eMAG can fetch: put an http or"
        f" https address of at most {LONGEST_URL} characters into pdf_url."
    )


def _may_be_second(case: _Case) -> Plan | None:
    """eMAG may have made this fiscal document itself: what it says of one can't be read."""
    for each in case.issued:
        if _category(each) == case.paper.forbidden_by and _may_be_of(each, case.order):
            return Waiting(
                Event.PERSON,
                f"It may be the second {case.paper.forbidden_by} invoice of the order."
                f" {each.problem}.",
            )
    return None


def _may_be_of(issued: IssuedInvoice, order: Order) -> bool:
    if issued.problem is None:
        return False
    placed = day(order.raw.get("date"))
    if placed and issued.date and issued.date < placed:
        return False
    return issued.order_id in (None, order.id)


def _bad_document(case: _Case) -> Plan | None:
    if case.document is None or case.document.ok:
        return None
    problem = case.document.problem or "it can't be used"
    return Refused(
        f"The document of invoice {shown(case.number)} can't be attached ({problem}): put a PDF"
        " that eMAG can fetch at pdf_url."
    )


def _attach(case: _Case) -> Plan:
    order_id, name = case.order.id, case.name
    entity = {
        "order_id": order_id,
        "order_type": case.order.type,
        "name": name,
        "url": case.url,
        "type": case.paper.type,
        "force_download": 0,
    }
    step = Step(ATTACHMENTS_SAVE, f"attach {shown(name, 60)}", order_id, changes=entity)
    note = f"{shown(name, 60)} attached to order {order_id}"
    return Do((step,), Synced(f"{order_id}/{name}", ATTACHED, note))


JUDGES: Final[tuple[Callable[[_Case], Plan | None], ...]] = (
    _attached,
    _attached_elsewhere,
    _issued_by_emag,
    _hosted_by_emag,
    _no_document,
    _bad_address,
    _may_be_second,
    _bad_document,
    _attach,
)
"""Who decides about an invoice: the first that has something to say."""

ADDRESS: Final = re.compile(r"https?://\S+", re.IGNORECASE)


def _alike(case: _Case) -> list[Attachment]:
    return [each for each in case.order.attachments if each.type == case.paper.type]


def _holds(name: str, number: str) -> bool:
    """Whether a name holds the number as a whole: "Factura 12" and "12.pdf" hold 12, "12/7" not."""
    letter = r"[^\W_]"
    whole = rf"(?<!{letter})(?<![/-])(?<!\d\.){re.escape(number)}(?!{letter})(?![/-])(?!\.\d)"
    return re.search(whole, name, re.IGNORECASE) is not None


def _standing(issued: Sequence[IssuedInvoice], order_id: int) -> list[IssuedInvoice]:
    """The order's issued invoices without those that a storno took back."""
    own = [each for each in issued if each.order_id == order_id and each.problem is None]
    reversed_numbers = {each.reversal_for for each in own}
    return [each for each in own if each.number not in reversed_numbers]


def _category(issued: IssuedInvoice) -> str:
    return "storno" if issued.is_storno else issued.category


def _address(url: str, length: int = 40) -> str:
    return shown(without_secrets(url), length)


def _host(url: str) -> str:
    """The host of an address; nothing where the address names none, or a port there is not."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "").lower() if parts.port != 0 else ""
    except ValueError:
        return ""
