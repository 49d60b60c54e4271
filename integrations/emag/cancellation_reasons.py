"""Why eMAG says that an order was cancelled, in the ERP's words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from integrations.emag.reasons import CANCELLATION_REASONS, ERP_REASONS

UNKNOWN: Final = "other"

ERP_WORDS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "inventory_unavailable",
        2: "customer_request",
        3: "other",
        15: "shipping_delay",
        16: "customer_request",
        17: "shipping_delay",
        18: "customer_request",
        19: "payment_failed",
        20: "shipping_delay",
        21: "other",
        22: "administrative",
        23: "customer_request",
        24: "customer_request",
        25: "shipping_delay",
        26: "shipping_delay",
        27: "other",
        28: "administrative",
        29: "fraud_suspected",
        30: "administrative",
        31: "administrative",
        32: "shipping_delay",
        33: "inventory_unavailable",
        34: "other",
        35: "customer_request",
        36: "customer_request",
        37: "customer_request",
        38: "customer_request",
        39: "payment_failed",
        40: "other",
        41: "inventory_unavailable",
        42: "inventory_unavailable",
        43: "shipping_delay",
    }
)
"""The ERP's word for each of eMAG's reasons (API facts: Cancelling)."""


def erp_word(reason: int | None, reasons: Mapping[str, int] = ERP_REASONS) -> str:
    """The ERP's word for a reason of eMAG's; a seller's own table of reasons counts first.

    Of several words that stand for one reason the usual one is taken, if it is among them.
    """
    usual = ERP_WORDS.get(reason or 0, UNKNOWN)
    words = [word for word, number in reasons.items() if number == reason]
    return usual if usual in words or not words else words[0]


def describe_reason(reason: int | None) -> str:
    """eMAG's reason with its number, for a person: "eMAG 24: by the customer's request"."""
    if reason is None:
        return "eMAG gave no reason"
    return f"eMAG {reason}: {CANCELLATION_REASONS.get(reason, 'a reason that is not documented')}"
