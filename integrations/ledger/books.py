"""Our own books: one integration row per ERP row, and what is written into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from integrations.erp.rows import Kind


class State(StrEnum):
    """Where an ERP row stands with eMAG."""

    PENDING = "pending"
    SYNCED = "synced"
    REFUSED = "refused"
    WAITING = "waiting"
    IN_DOUBT = "in_doubt"
    WITHDRAWN = "withdrawn"


# What a run looks at again by itself.
OPEN_STATES = (State.PENDING, State.WAITING, State.IN_DOUBT)

# What `reductions` holds of a cancellation that has, or had, items and was not measured yet.
A_PART: Mapping[str, Any] = {"whole": False, "fingerprint": "", "storno": False, "lines": []}


@dataclass(frozen=True)
class Books:
    """The integration table of a kind, the column naming its ERP row, and the one for eMAG's id."""

    table: str
    erp_id: str
    emag_id: str

    @property
    def name(self) -> str:
        """The table with its schema."""
        return f"app.{self.table}"


BOOKS: Mapping[Kind, Books] = {
    Kind.RMA: Books("emag_return_integrations", "return_request_id", "emag_return_id"),
    Kind.CANCELLATION: Books(
        "emag_cancellation_integrations", "cancellation_request_id", "emag_cancellation_id"
    ),
    Kind.INVOICE: Books("emag_invoice_integrations", "invoice_id", "emag_invoice_id"),
}
