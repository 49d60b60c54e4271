"""Reason ids: why an order is cancelled, and which return reasons need a text."""

from __future__ import annotations

from typing import Any

# API facts, Cancelling. The names are glosses; eMAG's own labels are Romanian.
CANCELLATION_REASONS: dict[int, str] = {
    1: "Out of stock",
    2: "Cancelled by the client",
    3: "The client can not be contacted",
    15: "Courier delivery term is too long",
    16: "Transport tax is too high",
    17: "Supply term is too long",
    18: "Better offer elsewhere",
    19: "Payment order not paid",
    20: "Undelivered, courier reasons",
    21: "Others",
    22: "Incomplete order, automatic cancellation",
    23: "The customer changed his mind",
    24: "By customer request",
    25: "Failed delivery",
    26: "Late shipment",
    27: "Irrelevant order",
    28: "Cancelled by SuperAdmin on seller request",
    29: "Blacklisted customer",
    30: "No VAT invoice",
    31: "The Marketplace partner requested cancellation",
    32: "Estimated delivery time is too long",
    33: "Product is no longer available in the partner's stock",
    34: "Other reasons",
    35: "Delivery is too expensive",
    36: "Found cheaper elsewhere",
    37: "The customer placed a similar eMAG order",
    38: "The customer changed his mind",
    39: "The customer buys only with instalments",
    40: "Other reasons (instalments)",
    41: "Out of stock (instalments)",
    42: "Out of partner stock (instalments)",
    43: "Estimated delivery time is too long (instalments)",
}

# API facts, RMA object: these leaves of the reason tree are worthless without the customer's words.
TEXT_MANDATORY: frozenset[int] = frozenset(
    {39, 67, 73, 89, 92, 95, 97, 111, 118, 127, 152, 171, 172}
)


def reason_object(reason: object) -> dict[str, Any] | None:
    """A cancellation reason as it is read (API facts, Order object: an object with id and name)."""
    if isinstance(reason, int):
        return {"id": reason, "name": CANCELLATION_REASONS.get(reason, "Others")}
    return reason if isinstance(reason, dict) else None
