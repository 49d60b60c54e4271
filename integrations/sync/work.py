"""A claimed row on its way: its copy of eMAG's state, its plan, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import assert_never
from uuid import UUID

import orjson

from integrations.emag.issued_invoices import IssuedInvoice
from integrations.emag.routes import Route
from integrations.emag.verdicts import Answer
from integrations.emag.wire import Order, Return
from integrations.erp.digest import digest
from integrations.erp.rows import InvoiceRow, Kind, ReturnRow
from integrations.ledger.books import State
from integrations.ledger.claims import Claim
from integrations.ledger.database import storable
from integrations.ledger.failed_writes import FailedWrite
from integrations.ledger.instants import Instant
from integrations.ledger.persist import Outcome, pause_after
from integrations.ledger.timings import Timings
from integrations.sync.outage import OutageError
from integrations.sync.plan import (
    Do,
    Event,
    Known,
    Plan,
    Reductions,
    Refused,
    Synced,
    Waiting,
    Withdrawn,
)

LOT = 50


@dataclass(frozen=True, slots=True)
class Copy:
    """What a read found for a row: candidates for a return, at most one order else.

    `whole`: all that eMAG has of it was asked for, not only the open returns of its order, or those
    of one type.
    """

    began: Instant
    order: Order | None = None
    returns: tuple[Return, ...] = ()
    whole: bool = True

    def fresh(self, timings: Timings) -> bool:
        """Whether it may still be planned on and written back."""
        return self.began.age() < timings.copy_age


@dataclass(frozen=True, slots=True)
class Denial:
    """A step that eMAG said no to, and what our books held before its intent.

    It is proved only once a fresh read shows that the step is still to be taken.
    """

    label: str
    message: str
    known: Known


@dataclass(slots=True)
class Work:
    """The progress of one claimed row.

    `lot_cap` is how many neighbours it may have in a lot; it shrinks when a lot is refused without
    naming the item that was wrong. `denial` is what eMAG last said no to. `failed` is its last
    request where that came to nothing: it goes alone then, so that its neighbours are not held up.
    `thorough`: it needs a whole copy.
    """

    claim: Claim
    copy: Copy | None = None
    plan: Do | None = None
    known: Known = field(default_factory=Known)
    denial: Denial | None = None
    failed: FailedWrite | None = None
    lot_cap: int = LOT
    thorough: bool = False
    tries: int = 0
    rounds: int = 0
    outcome: Outcome | None = None
    reported: str | None = None
    response: str | None = None

    @property
    def open(self) -> bool:
        return self.outcome is None


@dataclass(frozen=True, slots=True)
class Failure:
    """A save about these orders that came to nothing for a cause that may concern every order.

    `excuse` takes back that it was put down to its row; None where it was not.
    """

    orders: tuple[int, ...]
    answer: Answer
    excuse: Callable[[], None] | None


@dataclass(slots=True, eq=False)
class Batch:
    """Rows of one kind claimed together under one token.

    `doubtful` are orders about which a request is under way or lost: their leases must run out by
    themselves, so that nobody else asks anything of them meanwhile. `writers` says for which row
    something was sent about an order: its outcome must be in the books before another row of the
    order is measured against what it left. `linked` says which row an RMA
    came to belong to, `issued` holds invoices of eMAG's that are not mirrored (in a dry run).
    `failures` are saves that came to nothing, by route, and `failing` says where that seems to be
    so for every order. `outage` is why the rest of the batch could not be carried.
    """

    kind: Kind
    token: UUID
    works: Sequence[Work]
    doubtful: set[int] = field(default_factory=set)
    writers: dict[int, int] = field(default_factory=dict)
    linked: dict[int, int] = field(default_factory=dict)
    issued: Sequence[IssuedInvoice] = ()
    failures: dict[Route, list[Failure]] = field(default_factory=dict)
    failing: dict[Route, OutageError | None] = field(default_factory=dict)
    outage: OutageError | None = None
    busy: bool = False

    def turn(self) -> list[Work]:
        """The open rows that may be carried now: of each order the first."""
        first: dict[int, Work] = {}
        for work in self.works:
            if work.open:
                first.setdefault(work.claim.order_id, work)
        return [work for work in first.values() if self._has_turn(work)]

    def _has_turn(self, work: Work) -> bool:
        order_id = work.claim.order_id
        writer = self.writers.get(order_id, work.claim.id)
        return order_id not in self.doubtful and writer == work.claim.id

    @property
    def orders(self) -> set[int]:
        return {work.claim.order_id for work in self.works}

    def renewable(self) -> set[int]:
        return self.orders - self.doubtful

    def outcomes(self) -> Iterator[Outcome]:
        return (work.outcome for work in self.works if work.outcome is not None)


def known_of(claim: Claim) -> Known:
    """What our books hold about a claimed row, as plans take it."""
    row = claim.row
    named = row.emag_return_id if isinstance(row, ReturnRow) else None
    reductions = Reductions.from_json(claim.reductions) if claim.reductions else None
    return Known(
        emag_id=named or claim.emag_id or None,
        sent=claim.sent,
        reductions=reductions,
        had=claim.had,
        is_wish=claim.is_wish,
    )


def batch_of(kind: Kind, token: UUID, claims: Iterable[Claim]) -> Batch:
    """A batch of freshly claimed rows."""
    works = [Work(claim, known=known_of(claim), failed=claim.failed) for claim in claims]
    return Batch(kind, token, works)


def settle(work: Work, plan: Plan, timings: Timings) -> None:
    """End a row's way with what its plan says; a plan with steps does not end it."""
    match plan:
        case Do():
            work.plan = plan
        case Synced():
            end(
                work,
                State.SYNCED,
                emag_id=plan.emag_id,
                emag_status=plan.emag_status,
            )
        case Refused():
            end(
                work,
                State.REFUSED,
                reason=plan.reason,
                emag_id=plan.emag_id,
                emag_status=plan.emag_status,
            )
        case Waiting():
            end(
                work,
                State.WAITING,
                reason=plan.reason,
                waiting_for=plan.event,
                emag_id=plan.emag_id,
                delay=timings.look_again,
            )
        case Withdrawn():
            end(work, State.WITHDRAWN, reason=plan.reason)
        case _:
            assert_never(plan)


def end(
    work: Work,
    state: State,
    *,
    reason: str | None = None,
    waiting_for: Event | None = None,
    emag_id: str | None = None,
    emag_status: str | None = None,
    delay: float = 0.0,
    failed: bool = False,
) -> None:
    """Note what became of a row in this batch."""
    row = work.claim.row
    work.outcome = Outcome(
        id=work.claim.id,
        order_id=work.claim.order_id,
        revision=work.claim.revision,
        state=state,
        waiting_for=waiting_for.value if waiting_for else None,
        reason=reason,
        emag_id=emag_id,
        emag_status=emag_status,
        response=work.response,
        delay=delay,
        failed=failed,
        document_type=row.invoice_type if isinstance(row, InvoiceRow) else None,
        digest=digest(row, emag_id or work.known.emag_id) if row else None,
    )
    work.copy = None
    work.plan = None


def fail(work: Work, reason: str, timings: Timings) -> None:
    """A failure of the row's own: it is tried again after a growing pause."""
    delay = pause_after(work.claim.attempts, timings)
    end(work, State.PENDING, reason=reason, delay=delay, failed=True)


def rest(work: Work, reason: str, timings: Timings) -> None:
    """The same for a failure that was counted when it happened."""
    end(work, State.PENDING, reason=reason, delay=pause_after(work.claim.attempts - 1, timings))


def pause(work: Work, reason: str, timings: Timings) -> None:
    """The row could not be carried through no fault of its own: that costs no attempt."""
    end(work, State.PENDING, reason=reason, delay=timings.pause)


def note_response(work: Work, answer: Answer) -> None:
    """Keep the last answer for `emag_response`, without customers' data."""
    work.response = orjson.dumps(
        {
            "verdict": answer.verdict.value,
            "http_status": answer.http_status,
            "message": storable(answer.text()) or None,
        }
    ).decode()
