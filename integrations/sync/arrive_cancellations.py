"""What an order's news means for the ERP's cancellations. Nothing here reads or writes anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from integrations.emag.matrices import OrderStatus
from integrations.emag.order_facts import CLOSED, WISHED_IN, OrderFacts
from integrations.erp.order_rows import CancellationOfOrder, DeletedCancellation, ReturnOfOrder
from integrations.ledger.arrivals import ORIGIN, WISHED, Arrival
from integrations.ledger.reopened import REOPENED
from integrations.sync.cancellation_rows import (
    DONE,
    About,
    Part,
    arrival_of,
    completed_row,
    noted,
    which_row,
    why,
    wish_row,
)
from integrations.sync.pieces import (
    REFUSED,
    SYNCED,
    TAKEN_BACK,
    Known,
    at_first,
    given_back,
    gone,
    is_settled,
    is_taken_back,
    is_whole,
    rest,
    taken_by,
)
from integrations.sync.plan import Reductions
from integrations.sync.plan_cancellations import (
    CANCEL,
    FULFILLED_BY_EMAG,
    PART,
    STORNO,
    in_words,
    order_goes_on,
)
from integrations.sync.refunds import (
    has_share,
    in_sequence,
    is_living,
    of_returns,
    shared_out,
)

_S = OrderStatus

UNDECIDED = frozenset({"pending", "approved", "processing"})
IN_FLIGHT = frozenset({"pending", "in_doubt"})

_UNWISHED = "eMAG: the customer asks no more to cancel the order"


@dataclass(frozen=True, slots=True)
class Held:
    """What the ERP and our books hold about an order.

    Attributes:
        deleted: what eMAG's news had brought before the ERP deleted it.
        wish_is_new: the ERP has not been told of a customer's wish yet.
        was_cancelled: eMAG was seen to hold the order as cancelled when it was read before.
        settle: seconds for which eMAG may still show what was before a write of ours.
        return_is_coming: a return of the order that is through at eMAG is not in the ERP yet.
    """

    cancellations: Sequence[CancellationOfOrder] = ()
    deleted: Sequence[DeletedCancellation] = ()
    returns: Sequence[ReturnOfOrder] = ()
    wish_is_new: bool = True
    was_cancelled: bool = False
    settle: float = 0.0
    return_is_coming: bool = False


@dataclass(slots=True)
class Brings:
    """A row to create or change; `targets` are the pieces that a new one stands for."""

    arrival: Arrival
    targets: Reductions | None = None


@dataclass(slots=True)
class Meant:
    """What follows from an order's news.

    Attributes:
        rows: rows to create or change.
        reopened: synced cancellations whose order goes on, with the sentence that says so.
        agreed: such ones whose order is cancelled at eMAG again, and how.
        undecided: it can't be told yet; the order is to be looked at again.
        notes: what a person has to enter by hand.
    """

    rows: list[Brings] = field(default_factory=list)
    reopened: list[tuple[CancellationOfOrder, str]] = field(default_factory=list)
    agreed: list[tuple[CancellationOfOrder, str]] = field(default_factory=list)
    undecided: bool = False
    notes: list[str] = field(default_factory=list)


def is_of_news(row: CancellationOfOrder, platform: str) -> bool:
    """Whether eMAG's news made the row: our books say so, or the number that such rows get."""
    return row.origin == ORIGIN or which_row(row, platform) is not None


def meant_for_cancellations(facts: OrderFacts, held: Held, about: About) -> Meant:
    """The cancellations that the ERP should hold, as far as they are not there."""
    meant = Meant()
    if facts.status in CLOSED:
        _close(facts, held, about, meant)
    else:
        _reopen(facts, held, about, meant)
        _reduce(facts, held, about, meant)
        _wish(facts, held, about, meant)
        _unwish(facts, held, about, meant)
    _pay_back(facts, held, about, meant)
    return meant


def _close(facts: OrderFacts, held: Held, about: About, meant: Meant) -> None:
    """An order that is cancelled or returned as a whole: what no row accounts for gets one."""
    way = CANCEL if facts.status == _S.CANCELED else STORNO
    if way is CANCEL:
        _agree(held, meant)
        _complete_wish(facts, held, about, meant)
    counted = [row for row in held.cancellations if not is_taken_back(row)]
    deleted = [each for each in held.deleted if each.known_status != REOPENED]
    rows: list[Known] = [*counted, *deleted]
    accounted = [taken_by(each, facts) for each in rows]
    returned = given_back(held.returns, facts) if way is STORNO else Counter[int]()
    left = rest(gone(facts), [*accounted, returned])
    if left or not (rows or returned):
        _record(facts, held, about, meant, Part(way, left, whole=True))


def _agree(held: Held, meant: Meant) -> None:
    for row in held.cancellations:
        if row.known_status == REOPENED and row.state == REFUSED and not is_taken_back(row):
            meant.agreed.append((row, CANCEL.whole))


def _complete_wish(facts: OrderFacts, held: Held, about: About, meant: Meant) -> None:
    """The row that a customer's wish made is completed, if the ERP did not turn it down."""
    for row in held.cancellations:
        if is_of_news(row, about.platform) and row.status in UNDECIDED:
            values = {**why(facts, about), **DONE, "emag_cancellation_id": str(facts.id)}
            meant.rows.append(Brings(arrival_of(facts, about, values, CANCEL.whole, row.id)))
            return


def _reopen(facts: OrderFacts, held: Held, about: About, meant: Meant) -> None:
    """An order that goes on: what says that it is cancelled is no longer true."""
    for row in held.cancellations:
        if row.known_status != CANCEL.whole or is_taken_back(row):
            continue
        if is_of_news(row, about.platform) and row.status == "completed":
            note = f"eMAG: order {facts.id} is {in_words(facts.status)} again"
            values = {"status": "cancelled", "internal_notes": noted(row.notes, note)}
            meant.rows.append(Brings(arrival_of(facts, about, values, REOPENED, row.id)))
        elif row.state == SYNCED and _is_certain(row, held, about):
            meant.reopened.append((row, order_goes_on(facts.id, facts.status)))
        else:
            meant.undecided |= row.state == SYNCED


def _is_certain(row: CancellationOfOrder, held: Held, about: About) -> bool:
    """Whether the order goes on, and is not merely shown as it was before we cancelled it."""
    if held.was_cancelled or row.synced_at is None:
        return True
    return about.read_at > row.synced_at + timedelta(seconds=held.settle)


def _reduce(facts: OrderFacts, held: Held, about: About, meant: Meant) -> None:
    """Pieces that an order has lost: those that no settled row accounts for get one."""
    pieces = gone(facts)
    if not pieces:
        return
    if any(row.sent and row.state in IN_FLIGHT for row in held.cancellations):
        meant.undecided = True
        return
    way = STORNO if facts.status == _S.FINALIZED else CANCEL
    parts = [row for row in _settled(held) if not is_whole(row, facts)]
    deleted = [each for each in held.deleted if each.known_status in PART]
    rows: list[Known] = [*parts, *deleted]
    accounted = [taken_by(each, facts) for each in rows]
    if way is STORNO:
        accounted.append(given_back(held.returns, facts))
    left = rest(pieces, accounted)
    if left:
        _record(facts, held, about, meant, Part(way, left, whole=False))


def _record(facts: OrderFacts, held: Held, about: About, meant: Meant, part: Part) -> None:
    """A completed cancellation of these pieces, unless a return may account for them."""
    if part.way is STORNO and held.return_is_coming:
        meant.undecided = True
        return
    arrival, targets = completed_row(facts, held.cancellations, about, part)
    meant.rows.append(Brings(arrival, targets))


def _wish(facts: OrderFacts, held: Held, about: About, meant: Meant) -> None:
    """A customer's wish to cancel becomes a row for the ERP to decide, once per order."""
    if facts.wish_at is None or facts.status not in WISHED_IN or not held.wish_is_new:
        return
    over = {each.arrival.row_id for each in meant.rows if _takes_back(each)}
    rows = [row for row in held.cancellations if row.id not in over]
    if facts.type == FULFILLED_BY_EMAG or any(_answers(row, facts, about) for row in rows):
        return
    meant.rows.append(Brings(wish_row(facts, held.cancellations, about)))


def _takes_back(each: Brings) -> bool:
    return each.arrival.values.get("status") in TAKEN_BACK


def _answers(row: CancellationOfOrder, facts: OrderFacts, about: About) -> bool:
    """Whether the row is what an earlier sight of the wish made, or cancels the order anyhow."""
    if _is_of_wish(row, about):
        return not (row.status in TAKEN_BACK and _UNWISHED in (row.notes or ""))
    return row.status not in TAKEN_BACK and is_whole(row, facts)


def _unwish(facts: OrderFacts, held: Held, about: About, meant: Meant) -> None:
    """The customer has thought better of it: the wish's row is taken back, if nobody decided."""
    if facts.wish_at is not None:
        return
    for row in held.cancellations:
        waits = row.status == WISHED["status"] and not row.sent and row.known_status is None
        if waits and _is_of_wish(row, about):
            values = {"status": "cancelled", "internal_notes": noted(row.notes, _UNWISHED)}
            arrival = arrival_of(facts, about, values, row_id=row.id)
            meant.rows.append(Brings(replace(arrival, is_wish=True)))


def _is_of_wish(row: CancellationOfOrder, about: About) -> bool:
    return row.origin != ORIGIN and is_of_news(row, about.platform)


def _pay_back(facts: OrderFacts, held: Held, about: About, meant: Meant) -> None:
    """What eMAG has paid back goes to the cancellations of the order, oldest first."""
    changed = {each.arrival.row_id for each in meant.rows} | {row.id for row, _ in meant.reopened}
    settled = [row for row in _settled(held) if row.id not in changed and has_share(row, facts)]
    living = {row.id: row for row in settled if is_living(row)}
    new = [each for each in meant.rows if each.arrival.values.get("status") == "completed"]
    newly = [
        Counter({line.line_id: line.first - line.to for line in each.targets.lines})
        if each.targets
        else at_first(facts)
        for each in new
    ]
    given_up: list[Known] = [row for row in settled if row.id not in living]
    sequence = in_sequence(
        facts,
        {row.id: taken_by(row, facts) for row in living.values()},
        [*given_up, *held.deleted],
        newly,
    )
    shares = shared_out(
        facts,
        [*sequence.values(), *newly],
        elsewhere=of_returns(facts, held.returns),
        goes_on=bool(held.returns) or facts.status not in CLOSED,
    )
    for row_id, refund in zip(sequence, shares, strict=False):
        row = living.get(row_id)
        if row is None or refund is None or refund.is_held_by(row):
            continue
        if not _is_by_hand(row, facts, meant):
            meant.rows.append(Brings(arrival_of(facts, about, refund.values(), row_id=row.id)))
    completed = {row.id: row for row in held.cancellations}
    for each, refund in zip(new, shares[len(sequence) :], strict=True):
        row = completed.get(each.arrival.row_id or 0)
        if refund is not None and not _is_by_hand(row, facts, meant):
            values = {**each.arrival.values, **refund.values()}
            each.arrival = replace(each.arrival, values=values)


def _is_by_hand(row: CancellationOfOrder | None, facts: OrderFacts, meant: Meant) -> bool:
    """Whether the row is in another currency than eMAG's amount; a person is told to enter it."""
    if row is None or row.currency in (None, facts.currency):
        return False
    if not row.refund_processed:
        meant.notes.append(
            f"cancellation {row.id} is in {row.currency}, but order {facts.id} in"
            f" {facts.currency}: enter its refund by hand"
        )
    return True


def _settled(held: Held) -> list[CancellationOfOrder]:
    return [row for row in held.cancellations if is_settled(row) and not is_taken_back(row)]
