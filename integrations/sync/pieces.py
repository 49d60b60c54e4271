"""Which pieces of an order are gone, and which of them the ERP's rows account for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from integrations.emag.order_facts import LineFacts, OrderFacts
from integrations.erp.order_rows import (
    CancellationOfOrder,
    DeletedCancellation,
    ItemOfOrder,
    ReturnOfOrder,
)
from integrations.ledger.arrivals import ORIGIN
from integrations.ledger.reopened import REOPENED
from integrations.sync.plan import Reductions
from integrations.sync.plan_cancellations import PART, WHOLE

Pieces = Counter[int]
"""Pieces by line id."""

Known = CancellationOfOrder | DeletedCancellation

SYNCED, REFUSED = "synced", "refused"
TAKEN_BACK = frozenset({"rejected", "cancelled"})

# The ERP's words for a return that is through.
RETURNED = "completed"


def gone(facts: OrderFacts) -> Pieces:
    """The pieces that the order had at first and has no more."""
    return Counter(
        {line.id: line.first - line.now for line in facts.lines if line.first > line.now}
    )


def rest(pieces: Pieces, accounted: Iterable[Pieces]) -> Pieces:
    """What is left of these pieces when all that is accounted for is taken off."""
    left = Counter(pieces)
    for each in accounted:
        left.subtract(each)
    return +left


def is_taken_back(row: CancellationOfOrder) -> bool:
    """Whether the ERP has taken a cancellation back before anything was sent to eMAG for it.

    What was sent, or eMAG's news brought, stays true, whatever the ERP calls it, until the order
    goes on.
    """
    if row.status not in TAKEN_BACK:
        return False
    if row.known_status == REOPENED:
        return True
    return row.origin != ORIGIN and not row.sent


def is_settled(row: CancellationOfOrder) -> bool:
    """Whether eMAG has what the cancellation asks for, or may have got it from us.

    One that our books do not know is from before them: then its own word counts.
    """
    if row.state is None:
        return row.status == "completed"
    may_be_sent = row.sent and row.reductions is not None
    return row.state == SYNCED or row.origin == ORIGIN or may_be_sent


def is_whole(row: CancellationOfOrder, facts: OrderFacts) -> bool:
    """Whether the cancellation is one of the whole order."""
    if row.known_status in WHOLE | PART:
        return row.known_status in WHOLE
    targets = _targets(row)
    if targets is not None:
        return targets.whole
    return not row.items or not rest(at_first(facts), [_of_items(row.items, facts)])


def taken_by(row: Known, facts: OrderFacts) -> Pieces:
    """The pieces that a cancellation takes off the order."""
    targets = _targets(row)
    if targets is not None and not targets.whole:
        return Counter({line.line_id: line.first - line.to for line in targets.lines})
    if targets is not None or row.known_status in WHOLE:
        return at_first(facts)
    if isinstance(row, DeletedCancellation):
        return Counter()
    return _of_items(row.items, facts) if row.items else at_first(facts)


def given_back(returns: Iterable[ReturnOfOrder], facts: OrderFacts) -> Pieces:
    """The pieces that came back in returns which are through; one without items is all of them."""
    pieces: Pieces = Counter()
    for each in returns:
        if each.status == RETURNED:
            pieces += _of_items(each.items, facts, own=False) if each.items else at_first(facts)
    return pieces


def at_first(facts: OrderFacts) -> Pieces:
    return Counter({line.id: line.first for line in facts.lines if line.first > 0})


def _of_items(items: Iterable[ItemOfOrder], facts: OrderFacts, *, own: bool = True) -> Pieces:
    """The pieces that items name; `own` says that their emag_item_id is a line of the order."""
    pieces: Pieces = Counter()
    for item in items:
        wanted = None if item.quantity is None else max(0, int(item.quantity))
        for line in _lines_of(item, facts.lines, own):
            free = max(0, line.first - pieces[line.id])
            taken = free if wanted is None else min(wanted, free)
            pieces[line.id] += taken
            if wanted is not None:
                wanted -= taken
    return pieces


def _lines_of(item: ItemOfOrder, lines: Sequence[LineFacts], own: bool) -> Sequence[LineFacts]:
    """The lines that an item can mean, by the surest of its keys that fits any."""
    ways = (
        [line for line in lines if own and str(line.id) == item.emag_item_id],
        [line for line in lines if item.product_id and line.product_id == item.product_id],
        [line for line in lines if item.sku and item.sku in (line.sku, line.ext_sku)],
    )
    return next(filter(None, ways), [])


def _targets(row: Known) -> Reductions | None:
    if row.reductions is None:
        return None
    try:
        found = Reductions.from_json(row.reductions)
    except ValueError:
        return None
    return found if found.measured else None
