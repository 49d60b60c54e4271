"""What a run brought in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought


@dataclass(frozen=True)
class Parked:
    """A piece of news that could not be stored, by eMAG's own number; the others were."""

    kind: Kind
    emag_id: int | None
    reason: str


@dataclass
class Receipt:
    """What a way in has read and stored so far.

    Attributes:
        read: rows of eMAG's listings that were looked at.
        changed: rows among them that eMAG had changed since they were last seen.
        brought: what became of the pieces of news, by kind of ERP row.
        parked: news that waits for a person or a later run because it could not be stored.
    """

    read: int = 0
    changed: int = 0
    brought: dict[Kind, Counter[Brought]] = field(default_factory=dict)
    parked: list[Parked] = field(default_factory=list)

    def count(self, kind: Kind, brought: Brought) -> None:
        """Note what became of one piece of news."""
        self.brought.setdefault(kind, Counter())[brought] += 1
