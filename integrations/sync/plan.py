"""What a plan can say about an ERP row, and the bodies of the requests it asks for.

Planners are pure functions from the row as it is now, what our books hold about it, eMAG's copy
and the time to one of the outcomes below. They are run anew after every request: only a plan's
first step is sent from the copy that it was made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, assert_never

from integrations.emag.routes import Route
from integrations.emag.wire import Order, Return, order_body, return_body
from integrations.erp.rows import CancellationRow, ErpRow, InvoiceRow, ReturnRow
from integrations.sync.wishes import (
    INVOICE_WISHES,
    REFUND_ASKED,
    RETURN_WISHES,
    order_status,
    return_status,
    shown,
)


class Event(StrEnum):
    """What a waiting row waits for."""

    EMAG_RETURN = "emag_return"
    EMAG_RECEIVED = "emag_received"
    DOCUMENT = "document"
    ACCOUNT = "account"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Reduction:
    """What is to become of one order line, in pieces; a line that is no part of the order has 0.

    `first` is its quantity when it was first read, `from_` the one that the plan was made on, `to`
    the target.
    """

    line_id: int
    first: int
    from_: int
    to: int


@dataclass(frozen=True, slots=True)
class Reductions:
    """The absolute targets of a cancellation, for every line of the order as first read.

    `whole` cancels (or stornoes) the order itself. `fingerprint` tells whether the ERP's items
    have changed since. `storno` says that the order was finalized when it was planned.
    """

    whole: bool
    fingerprint: str
    lines: tuple[Reduction, ...]
    storno: bool = False

    @property
    def measured(self) -> bool:
        """False while the books hold no more than that a part is meant."""
        return self.whole or bool(self.lines)

    def to_json(self) -> dict[str, Any]:
        """These targets as JSON, for our books."""
        return {
            "whole": self.whole,
            "fingerprint": self.fingerprint,
            "storno": self.storno,
            "lines": [[line.line_id, line.first, line.from_, line.to] for line in self.lines],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Reductions:
        """The targets that `to_json` wrote. Raises ValueError for anything else."""
        try:
            return cls(
                whole=bool(value["whole"]),
                fingerprint=str(value["fingerprint"]),
                storno=bool(value["storno"]),
                lines=tuple(Reduction(*map(int, line)) for line in value["lines"]),
            )
        except (KeyError, TypeError) as problem:
            raise ValueError("these are no stored reductions of a cancellation") from problem


@dataclass(frozen=True, slots=True)
class Known:
    """What our books hold about a row.

    That is eMAG's id of it, whether a write for it may have reached eMAG, a cancellation's targets,
    what eMAG had, in our words, before the ERP edited a row that had been carried out, and whether
    a customer's wish made the row, of which eMAG has had nothing yet.
    """

    emag_id: str | None = None
    sent: bool = False
    reductions: Reductions | None = None
    had: str | None = None
    is_wish: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One request; `subject` is the RMA or order that eMAG names in its messages.

    Of a `copy` every field is sent back, with `changes` and, by line id, the changes of `lines`;
    without one `changes` is the whole entity.
    """

    route: Route
    label: str
    subject: int
    copy: Order | Return | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Synced:
    """eMAG has what the ERP wants; `emag_status` is its status in our words."""

    emag_id: str | None
    emag_status: str | None
    note: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing can be sent until a person changes something; the reason says what.

    `emag_id` is the RMA that a return is linked to all the same; `emag_status` eMAG's status in our
    words, where the books are to hold another one now.
    """

    reason: str
    emag_id: str | None = None
    emag_status: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing can be sent before an event.

    `emag_id` is the RMA that a return is linked to already.
    """

    event: Event
    reason: str
    emag_id: str | None = None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The ERP took its wish back before anything was sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Do:
    """Legal steps to take in this order, and what is true after the last one.

    `reductions` must be stored in the commit that records the first step's intent, not earlier:
    until a request has left, another cancellation of the same order may still change what they are
    measured against.
    """

    steps: tuple[Step, ...]
    then: Synced
    reductions: Reductions | None = None


Plan = Synced | Refused | Waiting | Withdrawn | Do


def body_of(step: Step) -> dict[str, Any] | None:
    """The entity that the step puts into a save; None where the route says it all (acknowledge)."""
    match step.copy:
        case Order():
            return order_body(step.copy, lines=step.lines, **step.changes)
        case Return():
            return return_body(step.copy, lines=step.lines, **step.changes)
        case None:
            return dict(step.changes) or None


def linked_to(plan: Plan) -> str | None:
    """eMAG's id that the plan ties the row to, whatever else it says."""
    match plan:
        case Do():
            return plan.then.emag_id
        case Withdrawn():
            return None
        case _:
            return plan.emag_id


def withdrawn(known: Known, row: ErpRow | None, copy: Order | Return | None) -> Withdrawn | Refused:
    """The plan for a row that the ERP deleted (None) or takes back."""
    how = "deleted" if row is None else f"set to {row.status}"
    if not known.sent:
        return Withdrawn(f"The row was {how} in the ERP before anything was sent to eMAG.")
    return Refused(
        f"The row was {how} in the ERP after its change was sent; eMAG has: {describe_state(copy)}."
        " Put it right in eMAG's panel if it must not stay so."
    )


def describe_wish(row: ErpRow) -> str:
    """What the ERP wants, for a dry run."""
    match row:
        case ReturnRow():
            return _return_wish(row)
        case CancellationRow():
            return _cancellation_wish(row)
        case InvoiceRow():
            paper = INVOICE_WISHES.get(row.invoice_type or "")
            label = paper.label if paper else f"document of type {shown(row.invoice_type)}"
            return f"attach {label} {shown(row.number)} to order {row.order_id}"


def describe_state(copy: Order | Return | None) -> str:
    """What eMAG has now, for a dry run and for messages."""
    match copy:
        case Order():
            parts = [f"order {copy.id} at status {order_status(copy.status)}"]
            parts.append(_count(sum(line.active for line in copy.lines), "active line"))
            parts += ["fulfilled by eMAG"] * (copy.type == 2) + ["card"] * copy.is_card
            return ", ".join(parts)
        case Return():
            parts = [f"RMA {copy.emag_id} at status {return_status(copy.status)}"]
            parts.append(_count(len(copy.lines), "line"))
            return ", ".join(parts + ["fulfilled by eMAG"] * (copy.type == 2))
        case None:
            return "nothing found at eMAG"


def describe_outcome(plan: Plan) -> str:
    """What would be afterwards if the plan was carried out, for a dry run."""
    match plan:
        case Do():
            steps = ", then ".join(step.label for step in plan.steps)
            return f"synced after {_count(len(plan.steps), 'request')} ({steps}): {plan.then.note}"
        case Synced():
            return f"synced, nothing to send: {plan.note}"
        case Refused():
            return f"refused: {plan.reason}"
        case Waiting():
            return f"waiting for {plan.event.value}: {plan.reason}"
        case Withdrawn():
            return f"withdrawn: {plan.reason}"
        case _:
            assert_never(plan)


def _return_wish(row: ReturnRow) -> str:
    if row.status not in RETURN_WISHES:
        return f"return of order {row.order_id} with the unknown status {shown(row.status)}"
    target = RETURN_WISHES[row.status]
    which = f"the RMA of order {row.order_id}"
    return f"{which} linked" if target is None else f"{which} at status {return_status(target)}"


def _cancellation_wish(row: CancellationRow) -> str:
    part = _count(len(row.items), "item") + " of " if row.items else ""
    why = f"for {shown(row.reason)}" if row.reason else "without a reason"
    refund = ", with refund" if row.refund_status == REFUND_ASKED else ""
    return f"{part}order {row.order_id} cancelled {why}{refund}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
