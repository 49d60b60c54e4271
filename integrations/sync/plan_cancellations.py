"""The plan of a cancellation: an order, or part of it, cancelled or stornoed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from integrations.emag.matrices import OrderStatus, Window, order_move, window_open
from integrations.emag.reasons import ERP_REASONS, reason_id
from integrations.emag.routes import ORDER_ACKNOWLEDGE, ORDER_SAVE
from integrations.emag.wire import Order
from integrations.erp.rows import CancellationRow, withdraws
from integrations.ledger.reopened import REOPENED
from integrations.sync.plan import (
    Do,
    Event,
    Known,
    Plan,
    Reduction,
    Reductions,
    Refused,
    Step,
    Synced,
    Waiting,
    describe_state,
    withdrawn,
)
from integrations.sync.reductions import ItemError, present, reached, reductions_of, touched
from integrations.sync.wishes import REFUND_ASKED, REFUND_WORDS, choice, order_status, shown

_S = OrderStatus

EDITABLE: Final = frozenset({_S.IN_PROGRESS, _S.PREPARED})
"""Where eMAG lets lines be changed without storno (API facts: Orders, Statuses and matrix)."""

FULFILLED_BY_EMAG: Final = 2
CLOCKED: Final = frozenset({Window.WITHIN_48_H, Window.WITHIN_RETURN_TIME})
LINES_SHOWN: Final = 5
SETTLE_OUTSIDE: Final = (
    "settle it with the customer outside eMAG, then set the cancellation to rejected"
)


@dataclass(frozen=True, slots=True)
class Policy:
    """The seller's own figures: the return time granted, and eMAG's reasons for the ERP's words."""

    return_days: int = 30
    reasons: Mapping[str, int] = field(default_factory=lambda: ERP_REASONS)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to cancel: the status that ends an order, and what it is called in `emag_status`."""

    ends_at: OrderStatus
    whole: str
    part: str
    storno: bool


CANCEL: Final = Way(_S.CANCELED, "canceled", "partially_canceled", storno=False)
STORNO: Final = Way(_S.RETURNED, "returned", "partially_returned", storno=True)

PART: Final = frozenset({CANCEL.part, STORNO.part})
"""What `emag_status` says of a cancellation of a part that eMAG has or had."""

WHOLE: Final = frozenset({CANCEL.whole, STORNO.whole, REOPENED})
"""What `emag_status` says of a cancellation of the whole order that eMAG has or had."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A cancellation with something to send; `start` is the order's status once acknowledged."""

    row: CancellationRow
    order: Order
    targets: Reductions
    now: datetime
    policy: Policy

    @property
    def way(self) -> Way:
        refund = self.row.refund_status == REFUND_ASKED and self.order.status == _S.FINALIZED
        return STORNO if refund else CANCEL

    @property
    def is_new(self) -> bool:
        return order_move(self.order.status, _S.IN_PROGRESS) is Window.ACKNOWLEDGE

    @property
    def start(self) -> int:
        return _S.IN_PROGRESS.value if self.is_new else self.order.status


def plan_cancellation(
    row: CancellationRow | None, known: Known, order: Order | None, now: datetime, policy: Policy
) -> Plan:
    """What to do about a cancellation (None: deleted in the ERP) of an order (None: not found)."""
    if row is None or withdraws(row):
        return withdrawn(known, row, order)
    if order is None:
        return Refused(f"Order {row.order_id} is not known at eMAG: correct emag_order_id.")
    targets = _targets(row, known, order)
    there = _there_already(row, known, order, targets)
    if there is not None:
        return there
    if known.is_wish and not _asks_to_cancel(order):
        return _wish_is_gone(row, order)
    if barred := _barred(row, known, order):
        return barred
    if isinstance(targets, ItemError):
        return Refused(str(targets))
    if _was_carried_out(known, targets):
        return _goes_on(order, targets)
    case = _Case(row, order, targets, now, policy)
    return _plan_whole(case) if targets.whole else _doubt(case, known) or _plan_part(case)


def _targets(row: CancellationRow, known: Known, order: Order) -> Reductions | ItemError:
    try:
        return reductions_of(row.items, order, known.reductions)
    except ItemError as problem:
        return problem


def _there_already(
    row: CancellationRow, known: Known, order: Order, targets: Reductions | ItemError
) -> Synced | Refused | None:
    """Whether eMAG has it, which holds whatever the reason, the windows or the order's type."""
    part = isinstance(targets, Reductions) and not targets.whole
    if part and _sent_whole(known) and order.status in (_S.CANCELED, _S.RETURNED):
        return _less_than_sent(order)
    if order.status == _S.CANCELED:
        return _synced(order, CANCEL.whole, describe_state(order))
    if order.status == _S.RETURNED and row.refund_status in REFUND_WORDS:
        return _synced(order, STORNO.whole, describe_state(order))
    if isinstance(targets, Reductions) and part and reached(targets, order):
        way = STORNO if targets.storno else CANCEL
        return _synced(order, way.part, describe_state(order))
    return None


def _barred(row: CancellationRow, known: Known, order: Order) -> Refused | Waiting | None:
    """Why nothing may be sent, whatever the row asks to cancel."""
    if order.type == FULFILLED_BY_EMAG:
        return Refused(
            f"Order {order.id} is fulfilled by eMAG, which alone may change it: cancel it in"
            " eMAG's panel, then set the cancellation to cancelled."
        )
    if not row.items and _was_part(known):
        return Waiting(
            Event.PERSON,
            f"The cancellation of order {order.id} had items and has none any more, so that nobody"
            f" knows whether all of the order is meant ({describe_state(order)}): put its items"
            " back, or put a new cancellation without items in to cancel the whole order.",
        )
    return None


def _was_part(known: Known) -> bool:
    """Whether the row had items that did not cover the order, or were not measured yet."""
    if known.reductions is not None:
        return not known.reductions.whole
    return known.had is not None and known.had.lower() in PART


def _was_carried_out(known: Known, targets: Reductions) -> bool:
    """Whether eMAG had all of this once, so that the ERP's edit of the row asks for nothing new.

    Who wants it once more replays the row as it is.
    """
    if known.had is None:
        return False
    if known.reductions is not None and known.reductions.measured:
        return known.reductions.fingerprint == targets.fingerprint
    return targets.whole and known.had.lower() in WHOLE


def _goes_on(order: Order, targets: Reductions) -> Refused:
    if targets.whole:
        return Refused(order_goes_on(order.id, order.status), emag_status=REOPENED)
    return Refused(
        f"Order {order.id} has pieces at eMAG again that were cancelled for this row"
        f" ({describe_state(order)}): replay the cancellation to cancel them once more, or set it"
        " to cancelled."
    )


def order_goes_on(order_id: int, status: int) -> str:
    """What is said of an order that had been cancelled and goes on."""
    return (
        f"order {order_id} is {in_words(status)} at eMAG again, the ERP holds it as cancelled:"
        " replay the cancellation to cancel the order once more, or set it to cancelled"
    )


def in_words(status: int) -> str:
    """An order's status in a sentence: "in progress"."""
    try:
        return OrderStatus(status).name.lower().replace("_", " ")
    except ValueError:
        return f"at status {status}"


def _asks_to_cancel(order: Order) -> bool:
    """Whether the customer wants the order cancelled; a time of zeros is none."""
    return bool((order.cancellation_request or "").strip("0-: ."))


def _wish_is_gone(row: CancellationRow, order: Order) -> Waiting:
    return Waiting(
        Event.PERSON,
        f"The customer of order {order.id} asks no more to have it cancelled"
        f" ({describe_state(order)}), the cancellation that came of it is {row.status} in the ERP:"
        " set it to cancelled, or put a new cancellation in to cancel the order all the same.",
    )


def _sent_whole(known: Known) -> bool:
    return known.sent and known.reductions is not None and known.reductions.whole


def _doubt(case: _Case, known: Known) -> Waiting | Refused | None:
    """What eMAG has is neither what was found nor what was left: only a person can tell why."""
    order = case.order
    if known.sent and known.reductions is None:
        return Waiting(
            Event.PERSON,
            f"Something was sent for this row, but what it was to leave of order {order.id} is not"
            " recorded: compare its lines, then ask for the missing part in a new cancellation.",
        )
    has = present(order)
    for line in filter(touched, case.targets.lines):
        there = has.get(line.line_id, 0)
        if there not in (line.first, line.from_, line.to):
            return Waiting(Event.PERSON, _unexpected(line, there, order))
        if there < line.to:
            return _less_than_sent(order)
    return None


def _unexpected(line: Reduction, there: int, order: Order) -> str:
    return (
        f"Line {line.line_id} of order {order.id} has {there} at eMAG, but {line.from_} were to"
        f" become {line.to}: somebody else changed it, so set it to {line.to} in eMAG's panel if"
        " that is still wanted."
    )


def _less_than_sent(order: Order) -> Refused:
    return Refused(
        "The ERP now asks to cancel less than was cancelled already; eMAG has:"
        f" {describe_state(order)}. Put it right in eMAG's panel if it must not stay so."
    )


def _plan_whole(case: _Case) -> Plan:
    order, way = case.order, case.way
    if problem := _forbidden(case, way.ends_at):
        return problem
    changes: dict[str, Any] = {"status": way.ends_at.value}
    if not way.storno:
        changes["reason_cancellation"] = reason_id(case.row.reason, case.policy.reasons)
        if changes["reason_cancellation"] is None:
            return Refused(
                f"The cancellation's reason {shown(case.row.reason)} means nothing at eMAG; set"
                f" one of {choice(case.policy.reasons)}."
            )
    label = f"{case.start} -> {way.ends_at.value}"
    return _do(case, Step(ORDER_SAVE, label, order.id, order, changes), way.whole)


def _plan_part(case: _Case) -> Plan:
    order, way, has = case.order, case.way, present(case.order)
    if problem := _part_forbidden(case):
        return problem
    left = [
        line for line in case.targets.lines if touched(line) and has.get(line.line_id, 0) > line.to
    ]
    lines = {line.line_id: _line_change(line, way) for line in left}
    changes = {"is_storno": True} if way.storno else {}
    return _do(case, Step(ORDER_SAVE, _label(left, has), order.id, order, changes, lines), way.part)


def _line_change(line: Reduction, way: Way) -> dict[str, int]:
    """What makes a line smaller: gone, it gets status 0, or quantity 0 where it is stornoed."""
    gone = line.to == 0 and not way.storno
    return {"status": 0} if gone else {"quantity": line.to}


def _label(lines: Sequence[Reduction], has: Mapping[int, int]) -> str:
    parts = [f"{has[line.line_id]} -> {line.to} of line {line.line_id}" for line in lines]
    more = [f"and {len(parts) - LINES_SHOWN} more"] * (len(parts) > LINES_SHOWN)
    return ", ".join(parts[:LINES_SHOWN] + more)


def _do(case: _Case, save: Step, word: str) -> Do:
    order, storno = case.order, case.way.storno
    save = replace(save, label=f"storno {save.label}") if storno else save
    first = (Step(ORDER_ACKNOWLEDGE, "acknowledge", order.id),) * case.is_new
    then = _synced(order, word, f"order {order.id} {word.replace('_', ' ')}")
    return Do((*first, save), then, replace(case.targets, storno=storno))


def _synced(order: Order, word: str, note: str) -> Synced:
    return Synced(str(order.id), word, note)


def _part_forbidden(case: _Case) -> Refused | None:
    order = case.order
    if case.way.storno:
        return _forbidden(case, STORNO.ends_at)
    if case.start not in EDITABLE:
        return Refused(
            f"Order {order.id} is at status {order_status(order.status)}, where no part of it can"
            f" be cancelled: {_way_out(case)}."
        )
    if order.is_card:
        return Refused(
            f"Order {order.id} was paid by card, and eMAG takes nothing off such an order before"
            " it is finalized: cancel the whole order, or set refund_status to processing once it"
            " is finalized."
        )
    return None


def _forbidden(case: _Case, to: OrderStatus) -> Refused | None:
    """Why the order can't go to a status, by eMAG's matrix and the windows in it."""
    order, window = case.order, order_move(case.start, to)
    move = f"from {order_status(case.start)} to {order_status(to)}"
    if window is None:
        return Refused(f"Order {order.id} can't go {move} at eMAG: {_way_out(case)}.")
    if window in CLOCKED and order.finalized_at is None:
        return Refused(
            f"Order {order.id} may go {move} only {window.value}, but eMAG gives no time from which"
            " they count: do it in eMAG's panel, then set the cancellation to cancelled."
        )
    if not _is_open(case, window):
        return Refused(
            f"Order {order.id} may go {move} only {window.value}, which are over: {_way_out(case)}."
        )
    return None


def _is_open(case: _Case, window: Window) -> bool:
    since, days = case.order.finalized_at, case.policy.return_days
    return window_open(window, since=since, now=case.now, return_days=days)


def _way_out(case: _Case) -> str:
    """What a person can do about an order past cancelling."""
    order = case.order
    if order.status == _S.RETURNED:
        return "set refund_status to completed if that return is what was wanted"
    window = order_move(order.status, STORNO.ends_at)
    if window is None or case.way.storno or order.finalized_at is None:
        return SETTLE_OUTSIDE
    storno = "set refund_status to processing for a storno"
    return storno if _is_open(case, window) else SETTLE_OUTSIDE
