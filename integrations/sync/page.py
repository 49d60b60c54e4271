"""One page of a listing."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.emag.wire import Raw


@dataclass(frozen=True)
class Page:
    """The new rows of one page, and when its read began on this process's monotonic clock."""

    began: float
    rows: list[Raw]
