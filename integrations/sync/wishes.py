"""What each of the ERP's words asks of eMAG."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from integrations.emag.matrices import OrderStatus, ReturnStatus

RETURN_WISHES: Final[Mapping[str, ReturnStatus | None]] = MappingProxyType(
    {
        "pending": None,
        "approved": ReturnStatus.ACKNOWLEDGED,
        "processing": ReturnStatus.RECEIVED,
        "completed": ReturnStatus.FINALIZED,
        "cancelled": ReturnStatus.CANCELED,
        "rejected": ReturnStatus.REFUSED,
    }
)
"""The eMAG status that a return's word wants; a pending one is only linked."""

REFUND_ASKED: Final = "processing"
REFUND_WORDS: Final = frozenset({REFUND_ASKED, "completed", "partial"})
"""The refund words with which a returned order is as wanted; only REFUND_ASKED asks for it."""


@dataclass(frozen=True, slots=True)
class Paper:
    """How an invoice of some type hangs on an order: its label there and eMAG's attachment type."""

    label: str
    type: int
    forbidden_by: str | None


INVOICE_WISHES: Final[Mapping[str, Paper]] = MappingProxyType(
    {
        "sales_invoice": Paper("Factura", 1, "normal"),
        "credit_note": Paper("Nota de credit", 1, "storno"),
        "corrected_invoice": Paper("Factura corectata", 1, "normal"),
        "proforma_invoice": Paper("Proforma", 11, None),
    }
)
"""The document that an invoice's type asks for. `forbidden_by` is the category of invoice that,
once eMAG has issued one itself, makes this a second fiscal document."""


def order_status(status: int) -> str:
    """An order's status as a person reads it: "4 finalized"."""
    return _status_name(OrderStatus, status)


def return_status(status: int) -> str:
    """A return's status as a person reads it: "6 received"."""
    return _status_name(ReturnStatus, status)


def shown(value: str | None, length: int = 40) -> str:
    """A value of the ERP's or eMAG's for a message: quoted, in ASCII, cut at `length`."""
    if value is None:
        return "nothing"
    return json.dumps(value if len(value) <= length else value[: length - 3] + "...")


def choice(words: Mapping[str, object]) -> str:
    """The words that are allowed, for a message."""
    return ", ".join(sorted(words))


def _status_name(statuses: type[IntEnum], status: int) -> str:
    try:
        return f"{status} {statuses(status).name.lower().replace('_', ' ')}"
    except ValueError:
        return f"{status} (unknown)"
