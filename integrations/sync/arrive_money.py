"""What an order's money means for the ERP's invoices. Nothing here reads or writes anything."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from integrations.emag.order_facts import ZERO, OrderFacts, cents
from integrations.erp.order_rows import InvoiceOfOrder
from integrations.erp.rows import Kind
from integrations.erp.write import Value
from integrations.ledger.arrivals import Arrival
from integrations.sync.cancellation_rows import About
from integrations.sync.wishes import shown

SALES = "sales_invoice"

UNPAID = frozenset({"issued", "sent", "overdue"})
PAYABLE = UNPAID | {"paid", "refunded"}
"""Invoices that money is written to; a draft is none yet, a cancelled one is none any more."""


class OtherCurrencyError(Exception):
    """An invoice and its order are in different currencies: the amounts can't be compared."""

    def __init__(self, facts: OrderFacts, invoice: InvoiceOfOrder) -> None:
        super().__init__(
            f"invoice {invoice.id} is in {invoice.currency}, but order {facts.id} in"
            f" {facts.currency}: enter its payment by hand"
        )


class OddTotalError(Exception):
    """An invoice's total is no amount of money, so that nothing can be compared with it."""

    def __init__(self, invoice: InvoiceOfOrder) -> None:
        super().__init__(
            f"invoice {invoice.id} has a total_amount of {shown(invoice.odd_total)}, which is no"
            " amount of money: correct it, and what eMAG has of it is written by itself"
        )
        self.row_id = invoice.id


def meant_for_invoices(
    facts: OrderFacts, invoices: Sequence[InvoiceOfOrder], about: About
) -> list[Arrival]:
    """What the order's sales invoices should say of its money, as far as they do not.

    What eMAG has is theirs in their order, each up to its total; a single one gets all of it. Which
    of several a refund is for nobody says: they are refunded once all is paid back.

    Raises:
        OtherCurrencyError: an invoice is in another currency than the order.
        OddTotalError: an invoice's total can't be compared with anything.
    """
    if not _has_money(facts):
        return []
    sales = _payable(invoices)
    cashed, is_refunded = facts.cashed, _is_all_back(facts, sales)
    arrivals = []
    for number, invoice in enumerate(sales, 1):
        if invoice.currency not in (None, facts.currency):
            raise OtherCurrencyError(facts, invoice)
        if invoice.odd_total is not None:
            raise OddTotalError(invoice)
        total = cents(invoice.total or ZERO)
        is_last = number == len(sales)
        paid = _share(cashed, total, is_last) if cashed is not None else _whole(facts, total)
        cashed = None if cashed is None else cashed - paid
        values = _changes(facts, invoice, paid, total, is_refunded=is_refunded)
        if values:
            arrivals.append(_arrival(facts, invoice, values, about))
    return arrivals


def lacks_invoice(facts: OrderFacts, invoices: Sequence[InvoiceOfOrder]) -> bool:
    """Whether there is money of an order and no sales invoice that could show it."""
    return _has_money(facts) and not _payable(invoices)


def _has_money(facts: OrderFacts) -> bool:
    return bool(facts.is_paid or facts.cashed or facts.refunded)


def _payable(invoices: Sequence[InvoiceOfOrder]) -> list[InvoiceOfOrder]:
    return [each for each in invoices if each.invoice_type == SALES and each.status in PAYABLE]


def _is_all_back(facts: OrderFacts, sales: Sequence[InvoiceOfOrder]) -> bool:
    """Whether eMAG has paid back all that it has of the customer's, or all that is invoiced."""
    if facts.cashed and facts.refunded >= facts.cashed:
        return True
    totals = [cents(each.total or ZERO) for each in sales]
    return all(totals) and 0 < sum(totals, ZERO) <= facts.refunded


def _share(cashed: Decimal, total: Decimal, is_last: bool) -> Decimal:
    return cashed if is_last else min(cashed, total)


def _whole(facts: OrderFacts, total: Decimal) -> Decimal:
    """eMAG says that an order is paid without saying how much that is."""
    return total if facts.is_paid else ZERO


def _changes(
    facts: OrderFacts,
    invoice: InvoiceOfOrder,
    paid: Decimal,
    total: Decimal,
    *,
    is_refunded: bool,
) -> dict[str, Value]:
    """The columns that differ."""
    changes: dict[str, Value] = {}
    if paid > 0 and paid != invoice.paid:
        changes["paid_amount"] = paid
    is_paid = facts.is_paid or 0 < total <= paid
    if is_paid and invoice.status in UNPAID:
        changes["status"] = "paid"
    if paid > 0 and not invoice.has_paid_at:
        changes["paid_at"] = facts.modified_at
    if is_refunded and invoice.status != "refunded":
        changes["status"] = "refunded"
    return changes


def _arrival(
    facts: OrderFacts, invoice: InvoiceOfOrder, values: dict[str, Value], about: About
) -> Arrival:
    """Money stands beside whatever the ERP has not sent yet: the two never contradict."""
    return Arrival(
        kind=Kind.INVOICE,
        platform=about.platform,
        account=about.account,
        order_id=facts.id,
        read_at=about.read_at,
        row_id=invoice.id,
        values=values,
        beside=True,
    )
