"""What the seller's ERP wants and what eMAG holds when a measured run begins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal, Self

FIRST_ORDER = 400_000_000
FIRST_RETURN = 50_000_000

# Every order has two lines, and the ERP names both.
LINES = (("1001", "CANA-350", 2), ("1004", "LAMPA-LED", 1))


@dataclass(frozen=True)
class Scene:
    """ERP rows, each about an order of its own, spread evenly among everything open at eMAG.

    Attributes:
        kind: of the rows, as the ledger calls it.
        rows: how many are pending.
        wish: the rows' status in the ERP.
        status: at eMAG, of the orders that cancellations are about or of the returns.
        others: orders in progress, or returns received, that no row is about.
        known: eMAG holds only what this many first rows are about; None: all of it.
        past: how many returns and orders eMAG holds from the last 100 days besides.
    """

    kind: Literal["cancellation", "rma"]
    rows: int
    wish: str
    status: int
    others: int = 0
    known: int | None = None
    past: tuple[int, int] = (0, 0)

    @property
    def orders(self) -> Iterator[int]:
        """The order of each row."""
        stride = (self.rows + self.others) // max(1, self.rows)
        return (FIRST_ORDER + place * stride for place in range(self.rows))

    @property
    def crowd(self) -> range:
        """All orders at eMAG."""
        known = self.rows + self.others if self.known is None else self.known
        return range(FIRST_ORDER, FIRST_ORDER + known)

    def to_json(self) -> str:
        """As the marketplace's process takes it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The scene that another process was told."""
        told = json.loads(text)
        return cls(**{**told, "past": tuple(told["past"])})
