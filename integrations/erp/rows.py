"""Rows of the ERP as the planner sees them, free of column types and of customers' data.

The loader has lower-cased every word already; a word may still be nonsense, and a quantity
anything that a numeric column can hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Kind(StrEnum):
    """What a row is; the first half of its name in commands and records (`rma:12`)."""

    RMA = "rma"
    CANCELLATION = "cancellation"
    INVOICE = "invoice"


@dataclass(frozen=True, slots=True)
class Item:
    """One product of a return or of a cancellation; without a quantity it means the whole line."""

    product_id: str | None = None
    sku: str | None = None
    quantity: Decimal | None = None
    emag_item_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReturnRow:
    """A row of `return_requests` with its `return_items`; `order_id` is eMAG's order number."""

    id: int
    order_id: int
    account: str
    status: str
    emag_return_id: str | None = None
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class CancellationRow:
    """A row of `cancellation_requests` with its `cancellation_items`; without any, all is meant."""

    id: int
    order_id: int
    account: str
    status: str
    reason: str | None = None
    refund_status: str | None = None
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """A row of `invoices`; its `invoice_items` decide nothing at eMAG."""

    id: int
    order_id: int
    account: str
    status: str
    number: str | None = None
    invoice_type: str | None = None
    pdf_url: str | None = None


ErpRow = ReturnRow | CancellationRow | InvoiceRow

UNAPPROVED = frozenset({"pending"})
"""Statuses of cancellations that are not carried where only approved ones are."""

QUEUED_INVOICES = frozenset({"issued", "sent", "paid", "overdue"})
WITHDRAWING = frozenset({"rejected", "cancelled"})


def queued(row: ErpRow, require_approval: bool) -> bool:
    """Whether a row that was never queued is to be carried to eMAG.

    `require_approval` holds back cancellations that nobody has approved. Once queued, a row stays
    so whatever its status moves on to; see `withdraws`.
    """
    match row:
        case ReturnRow():
            return True
        case CancellationRow():
            return row.status == "approved" or (row.status in UNAPPROVED and not require_approval)
        case InvoiceRow():
            return row.status in QUEUED_INVOICES


def held_back(row: ErpRow, require_approval: bool) -> bool:
    """Whether the ERP has not let the row go, or no longer does: it is not to be carried."""
    match row:
        case ReturnRow():
            return False
        case CancellationRow():
            return row.status in UNAPPROVED and require_approval
        case InvoiceRow():
            return row.status == "draft"


def withdraws(row: ErpRow) -> bool:
    """Whether the ERP takes its wish back; a return's `cancelled` is a wish of its own."""
    return not isinstance(row, ReturnRow) and row.status in WITHDRAWING
