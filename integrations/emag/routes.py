"""The calls of eMAG's API that this project makes, and the budget that each one draws on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Bucket(StrEnum):
    """What eMAG counts together against one limit (API facts: Rate limits and size limits)."""

    ORDERS = "orders"
    OTHER = "other"


LIMITS: Final = {Bucket.ORDERS: 12.0, Bucket.OTHER: 3.0}
"""eMAG's own limits, in requests per second."""


class Family(StrEnum):
    """The groups of routes whose rate a seller may lower with `EMAG_RATE_LIMIT_*`."""

    ORDERS = "orders"
    RMA = "rma"
    INVOICES = "invoices"
    OFFERS = "offers"


@dataclass(frozen=True, slots=True)
class Route:
    """One call: its path below the API base, its budget, and whether it changes anything.

    `items` is the word by which a message of a bulk save names its item ("... - Order id: 5").
    `documented` is False for a route that clients use and no document names: it may be missing.
    """

    path: str
    bucket: Bucket
    family: Family
    writes: bool = False
    items: str | None = None
    documented: bool = True


ORDER_READ: Final = Route("order/read", Bucket.ORDERS, Family.ORDERS)
ORDER_COUNT: Final = Route("order/count", Bucket.ORDERS, Family.ORDERS)
ORDER_SAVE: Final = Route("order/save", Bucket.ORDERS, Family.ORDERS, True, "Order")
ORDER_ACKNOWLEDGE: Final = Route("order/acknowledge/{id}", Bucket.ORDERS, Family.ORDERS, True)
ATTACHMENTS_READ: Final = Route("order/attachments/read", Bucket.ORDERS, Family.ORDERS)
ATTACHMENTS_SAVE: Final = Route(
    "order/attachments/save", Bucket.ORDERS, Family.ORDERS, True, "Order"
)
RMA_READ: Final = Route("rma/read", Bucket.OTHER, Family.RMA)
RMA_COUNT: Final = Route("rma/count", Bucket.OTHER, Family.RMA, documented=False)
RMA_SAVE: Final = Route("rma/save", Bucket.OTHER, Family.RMA, True, "Rma")
INVOICE_READ: Final = Route("invoice/read", Bucket.OTHER, Family.INVOICES)
CUSTOMER_INVOICE_READ: Final = Route("customer-invoice/read", Bucket.OTHER, Family.INVOICES)
