"""How what eMAG has paid back for an order is shared out among the order's cancellations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from integrations.emag.order_facts import ZERO, OrderFacts
from integrations.erp.order_rows import CancellationOfOrder
from integrations.erp.write import Value
from integrations.sync.pieces import Pieces, at_first


@dataclass(frozen=True, slots=True)
class Refund:
    """What was paid back for a cancellation; `is_all` says that nothing more is due."""

    amount: Decimal
    is_all: bool

    @property
    def word(self) -> str:
        """The ERP's word for it."""
        return "completed" if self.is_all else "partial"

    def values(self) -> dict[str, Value]:
        """The columns of the ERP's cancellation."""
        return {
            "refund_amount": self.amount,
            "refund_processed": True,
            "refund_status": self.word,
        }

    def is_held_by(self, row: CancellationOfOrder) -> bool:
        """Whether the ERP's row says so already."""
        return (row.refund_amount, row.refund_processed, row.refund_status) == (
            self.amount,
            True,
            self.word,
        )


def shared_out(facts: OrderFacts, taken: Sequence[Pieces], *, goes_on: bool) -> list[Refund | None]:
    """Each cancellation's refund (None: nothing yet), for the pieces that it takes off the order.

    Each gets what its pieces cost, in their order; the last one also what is left, such as the
    shipping, unless the order `goes_on` or has returns that it may belong to.
    """
    left, pieces = facts.refunded, at_first(facts)
    all_is_back = facts.cashed is not None and facts.refunded >= facts.cashed
    shares: list[Refund | None] = []
    for number, each in enumerate(taken, 1):
        own = each & pieces
        pieces -= own
        worth = sum((line.worth(own[line.id]) for line in facts.lines), ZERO)
        is_last = number == len(taken) and not goes_on
        amount = left if is_last else min(left, worth)
        left -= amount
        shares.append(Refund(amount, amount >= worth or all_is_back) if amount > 0 else None)
    return shares
