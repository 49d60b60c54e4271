"""How what eMAG has paid back for an order is shared out among the order's cancellations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from integrations.emag.order_facts import CENT, CLOSED, ZERO, OrderFacts
from integrations.erp.order_rows import CancellationOfOrder, ReturnOfOrder
from integrations.erp.write import Value
from integrations.ledger.reopened import REOPENED
from integrations.sync.pieces import (
    TAKEN_BACK,
    Known,
    Pieces,
    at_first,
    gone,
    is_whole,
    rest,
    taken_by,
)
from integrations.sync.plan_cancellations import PART, WHOLE
from integrations.sync.wishes import REFUND_ASKED

WAITING = "waiting"

# eMAG's words for what is off an order, unless it came back.
_OFF = (PART | WHOLE) - {REOPENED}


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


def has_share(row: CancellationOfOrder, facts: OrderFacts) -> bool:
    """A refund that the ERP asks for in a row that we never carried is its own.

    A cancellation of the whole order that waits for a person has taken nothing off one that goes
    on.
    """
    if row.state == WAITING and facts.status not in CLOSED and is_whole(row, facts):
        return False
    return row.state is not None or row.refund_status != REFUND_ASKED


def in_sequence(
    facts: OrderFacts,
    living: Mapping[int, Pieces],
    given_up: Iterable[Known],
    newly: Iterable[Pieces],
) -> dict[int, Pieces]:
    """The pieces of an order's cancellations by the ERP's row, oldest first.

    What the ERP has deleted or taken back keeps its place, with the pieces that eMAG has taken off
    for it, unless a `living` row stands for just these, or one that comes `newly`.
    """
    everything, taken = at_first(facts), [*living.values(), *newly]
    left = rest(gone(facts), [each for each in taken if each != everything])
    sequence = dict(living)
    for row in given_up:
        own = _carried(row, facts)
        if (own != everything or everything not in taken) and own & left:
            sequence[row.id] = own & left
            left -= own
    return dict(sorted(sequence.items()))


def is_living(row: CancellationOfOrder) -> bool:
    """Whether the ERP still wants what the row asks for, so that it is told of its refund."""
    return row.status not in TAKEN_BACK


def _carried(row: Known, facts: OrderFacts) -> Pieces:
    is_there = row.known_status in (_OFF if facts.status in CLOSED else PART)
    return taken_by(row, facts) if is_there else Pieces()


def of_returns(facts: OrderFacts, returns: Iterable[ReturnOfOrder]) -> Decimal:
    """What eMAG has paid back of an order for its returns, as their rows tell."""
    told = (
        each.refunded or ZERO
        for each in returns
        if each.emag_id is not None and each.currency in (None, facts.currency)
    )
    return sum(told, ZERO)


def shared_out(
    facts: OrderFacts, taken: Sequence[Pieces], *, elsewhere: Decimal, goes_on: bool
) -> list[Refund | None]:
    """Each cancellation's refund (None: nothing yet), for the pieces that it takes off the order.

    What was paid back `elsewhere`, for returns, is none of theirs.
    Each gets what its pieces cost, in their order; the last one also what is left, such as the
    shipping, unless the order `goes_on` or has returns that it may belong to. Pieces that nobody
    has paid for come after all others, and get nothing where they are known to the cent.
    """
    worths = _worths(facts, taken)
    unpaid, is_exact = _never_paid(facts, worths)
    filled = [*range(unpaid, len(worths)), *(() if is_exact and goes_on else range(unpaid))]
    all_is_back = facts.cashed is not None and facts.refunded >= facts.cashed
    shares: list[Refund | None] = [None] * len(worths)
    left = max(ZERO, facts.refunded - elsewhere)
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
