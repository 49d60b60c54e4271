"""What eMAG's words for the state of a refund mean, of orders and of returns alike.

eMAG documents no values (API facts: Refunds): a word that is not here is noted as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from integrations.emag.wire import plain_text


class Paid(Enum):
    """What eMAG says of a refund."""

    YES = "yes"
    NOT_YET = "not yet"
    NEVER = "never"


REFUND_WORDS: Final[Mapping[str, Paid]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("refunded", "paid", "completed", "complete", "finalized", "finished", "processed"),
            Paid.YES,
        ),
        **dict.fromkeys(("done", "success", "successful", "approved_and_paid"), Paid.YES),
        **dict.fromkeys(
            ("new", "pending", "requested", "in_progress", "processing", "initiated", "approved"),
            Paid.NOT_YET,
        ),
        **dict.fromkeys(("waiting", "scheduled", "sent", "open"), Paid.NOT_YET),
        **dict.fromkeys(
            ("rejected", "refused", "canceled", "cancelled", "failed", "error", "declined"),
            Paid.NEVER,
        ),
    }
)


def refund_word(value: object) -> str:
    """The word as REFUND_WORDS spells it; empty where there is none."""
    return "_".join((plain_text(value) or "").lower().split()).replace("-", "_")
