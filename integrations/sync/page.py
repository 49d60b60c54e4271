"""One page of a listing."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.emag.wire import Raw
from integrations.ledger.instants import Instant


@dataclass(frozen=True)
class Page:
    """The new rows of one page, and when its read began."""

    began: Instant
    rows: list[Raw]
