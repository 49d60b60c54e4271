"""How what eMAG has paid back for an order is shared out among the order's cancellations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from integrations.emag.order_facts import CENT, ZERO, OrderFacts
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
    shipping, unless the order `goes_on` or has returns that it may belong to. Pieces that nobody
    has paid for come after all others, and get nothing where they are known to the cent.
    """
    worths = _worths(facts, taken)
    unpaid, is_exact = _never_paid(facts, worths)
    filled = [*range(unpaid, len(worths)), *(() if is_exact and goes_on else range(unpaid))]
    all_is_back = facts.cashed is not None and facts.refunded >= facts.cashed
    shares: list[Refund | None] = [None] * len(worths)
    left = facts.refunded
    for number in filled:
        worth = worths[number]
        is_last = number == len(worths) - 1 and not goes_on
        amount = left if is_last else min(left, worth)
        left -= amount
        if amount > 0:
            shares[number] = Refund(amount, amount >= worth or all_is_back)
    return shares


def _worths(facts: OrderFacts, taken: Sequence[Pieces]) -> list[Decimal]:
    """What the pieces of each cancellation cost; no piece counts twice."""
    pieces, worths = at_first(facts), []
    for each in taken:
        own = each & pieces
        pieces -= own
        worths.append(sum((line.worth(own[line.id]) for line in facts.lines), ZERO))
    return worths


def _never_paid(facts: OrderFacts, worths: Sequence[Decimal]) -> tuple[int, bool]:
    """How many of the oldest cancellations came before the customer paid, and whether it is exact.

    What eMAG has of the customer's money for goods is compared with what they cost without the
    pieces of these. eMAG does not tell all that is in it: so the nearest counts. Who has paid for
    no more than the shipping has paid for none of them.
    """
    if facts.cashed is None:
        return 0, False
    paid = facts.cashed - facts.beside_goods
    if paid <= 0:
        return len(worths), True
    short = facts.worth - paid
    off = [abs(short - before) for before in accumulate(worths, initial=ZERO)]
    unpaid = off.index(min(off))
    return unpaid, off[unpaid] <= CENT
