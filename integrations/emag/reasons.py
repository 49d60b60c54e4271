"""Why an order was cancelled: eMAG's reasons, and what the ERP's words are among them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CANCELLATION_REASONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "out of stock",
        2: "cancelled by the client",
        3: "the client cannot be reached",
        15: "the courier's delivery term is too long",
        16: "the transport is too expensive",
        17: "the supply term is too long",
        18: "a better offer elsewhere",
        19: "the payment order was not paid",
        20: "not delivered, for the courier's reasons",
        21: "other reasons",
        22: "incomplete order, cancelled automatically",
        23: "the client changed their mind",
        24: "by the customer's request",
        25: "failed delivery",
        26: "late shipment",
        27: "irrelevant order",
        28: "by a SuperAdmin at the seller's request",
        29: "blacklisted customer",
        30: "no VAT invoice",
        31: "the partner asked for the cancellation",
        32: "the estimated delivery term is too long",
        33: "no longer in the partner's stock",
        34: "other reasons",
        35: "the delivery is too expensive",
        36: "cheaper elsewhere",
        37: "the customer placed another, similar eMAG order",
        38: "the customer changed their mind",
        39: "the customer pays by instalments only",
        40: "other reasons (EIS)",
        41: "out of stock (instalments)",
        42: "not in the partner's stock (instalments)",
        43: "the estimated delivery term is too long (instalments)",
    }
)
"""The values of an order's `reason_cancellation` (API facts: Cancelling)."""

ERP_REASONS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "customer_request": 24,
        "payment_failed": 19,
        "inventory_unavailable": 33,
        "shipping_delay": 32,
        "fraud_suspected": 29,
        "administrative": 31,
        "other": 34,
    }
)
"""The ERP's words for a cancellation's reason; a seller may override any of them."""


def reason_id(word: str | None, reasons: Mapping[str, int] = ERP_REASONS) -> int | None:
    """eMAG's reason for an ERP's word (any case, blanks ignored); None if it has none."""
    return None if word is None else reasons.get(word.strip().lower())
