"""Send first steps in lots: the intent, then the request, then what its verdict proves."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import text

from integrations.emag.routes import ORDER_ACKNOWLEDGE, Route
from integrations.emag.verdicts import Answer, Verdict
from integrations.emag.wire import elements
from integrations.erp.rows import Kind
from integrations.ledger import budget, leases
from integrations.ledger.books import BOOKS, State
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.calls import Call, Subject, close_unsent
from integrations.ledger.intents import Hindered, Intent, intend
from integrations.ledger.line import is_undone
from integrations.ledger.points import Point, reached
from integrations.sync.abreast import abreast
from integrations.sync.ask import hold, longest_life, note_answer, note_outage, reserve_slot
from integrations.sync.channel import Channel
from integrations.sync.outage import GENERAL, OutageError
from integrations.sync.plan import Do, Step, body_of
from integrations.sync.work import Batch, Denial, Work, end, note_response, pause, settle

# eMAG takes at most 50 entities and 4,000 elements a request (API facts: Rate and size limits).
MOST_ELEMENTS = 3500

# What the intent's commit takes before a request can leave, in seconds.
LEAD = 0.040

# Verdicts that prove that nothing of the lot was applied.
NOT_APPLIED = frozenset({Verdict.THROTTLED, Verdict.UNAVAILABLE})

# Lost requests in a row after which eMAG counts as down.
LOST_IN_A_ROW = 3

# What was proved not to have reached eMAG leaves no trace in the books.
_TAKE_BACK = """
    WITH intents AS (
        SELECT * FROM jsonb_to_recordset(CAST(:intents AS jsonb))
            AS i(id bigint, sent boolean, reductions jsonb)),
    locked AS MATERIALIZED (
        SELECT t.id FROM {table} t JOIN intents i ON i.id = t.id
         WHERE t.emag_order_id = ANY(:orders) ORDER BY t.{erp_id} FOR UPDATE OF t)
    UPDATE {table} t SET sent_at = CASE WHEN i.sent THEN t.sent_at END, reductions = i.reductions
      FROM intents i JOIN locked l ON l.id = i.id
     WHERE t.id = i.id
"""


@dataclass(frozen=True, slots=True)
class Item:
    """A row's place in a lot: its step and the entity to send."""

    work: Work
    plan: Do
    body: Any

    @property
    def step(self) -> Step:
        return self.plan.steps[0]

    @property
    def intent(self) -> Intent:
        reductions = self.plan.reductions
        return Intent(self.work.claim, reductions.to_json() if reductions else None)


@dataclass(frozen=True, slots=True)
class Lot:
    """Steps on one route that leave in one request."""

    route: Route
    items: tuple[Item, ...]

    @property
    def body(self) -> list[Any] | None:
        """The entities to save; None where the path says it all."""
        return None if self.path_id is not None else [item.body for item in self.items]

    @property
    def path_id(self) -> int | None:
        return self.items[0].step.subject if self.route is ORDER_ACKNOWLEDGE else None

    @property
    def works(self) -> list[Work]:
        return [item.work for item in self.items]

    def subject(self, kind: Kind) -> Subject:
        """What the call record says of it."""
        works = self.works
        subjects = [item.step.subject for item in self.items]
        return Subject(
            orders=[work.claim.order_id for work in works],
            returns=subjects if kind is Kind.RMA else [],
            rows=[f"{kind.value}:{work.claim.row_id}" for work in works],
            steps=[item.step.label for item in self.items],
            items=len(works),
        )


async def send_steps(channel: Channel, batch: Batch, works: Sequence[Work]) -> None:
    """Send the first step of each planned row; rows end, or lose their copy to be read anew.

    Raises:
        OutageError, BudgetBusyError: nothing more can be sent now; the rows not yet sent stay open.
    """

    async def send(channel: Channel, lot: Lot) -> None:
        await _send_lot(channel, batch, lot)

    await _take_back(channel, batch, _end_denied(works))
    await abreast(channel, list(_lots(works)), send)


def _end_denied(works: Sequence[Work]) -> list[Work]:
    """End the rows whose next step eMAG has just refused: so it was not applied after all."""
    denied = []
    for work in works:
        denial = work.denial
        if work.plan is not None and denial and denial.label == work.plan.steps[0].label:
            work.known = denial.known
            end(work, State.REFUSED, reason=f"eMAG refused it: {denial.message}")
            denied.append(work)
    return denied


def _lots(works: Sequence[Work]) -> Iterator[Lot]:
    groups: dict[tuple[str, int], list[Item]] = defaultdict(list)
    for work in works:
        if work.plan is None:
            continue
        item = Item(work, work.plan, body_of(work.plan.steps[0]))
        cap = 1 if item.step.route is ORDER_ACKNOWLEDGE else work.lot_cap
        groups[item.step.route.path, cap].append(item)
    for (_, cap), items in groups.items():
        yield from _split(items, cap)


def _split(items: Sequence[Item], cap: int) -> Iterator[Lot]:
    lot: list[Item] = []
    size = 0
    for item in items:
        weight = elements(item.body) if cap > 1 else 0
        if lot and (len(lot) >= cap or size + weight > MOST_ELEMENTS):
            yield Lot(lot[0].step.route, tuple(lot))
            lot, size = [], 0
        lot.append(item)
        size += weight
    if lot:
        yield Lot(lot[0].step.route, tuple(lot))


async def _send_lot(channel: Channel, batch: Batch, lot: Lot) -> None:
    orders = {item.work.claim.order_id for item in lot.items}
    async with channel.gate:
        slot = await reserve_slot(channel, lot.route, LEAD)
        await reached(Point.RESERVED)
        batch.doubtful |= orders
        try:
            intended = await _intend(channel, batch, lot, slot)
        except psycopg.Error as error:
            if is_undone(error):
                batch.doubtful -= orders
            raise
        if intended is None:
            batch.doubtful -= orders
            return
        lot, call = intended
        batch.writers |= {work.claim.order_id: work.claim.id for work in lot.works}
        await reached(Point.INTENDED)
        try:
            answer = await channel.client.exchange(
                lot.route,
                lot.body,
                path_id=lot.path_id,
                departing=partial(hold, channel, lot.route, slot),
            )
        except (BudgetBusyError, OutageError):
            await close_unsent(channel.engine, call)
            await _take_back(channel, batch, lot.works)
            batch.doubtful -= orders
            raise
    await reached(Point.ANSWERED)
    await note_answer(channel, lot.route, call, answer, slot)
    await reached(Point.NOTED)
    if answer.verdict in NOT_APPLIED:
        await _take_back(channel, batch, lot.works)
    if answer.verdict is not Verdict.UNKNOWN:
        batch.doubtful -= orders
    _note_verdict(channel, batch, lot, answer)
    if _shows_outage(channel, answer):
        raise await note_outage(channel, lot.route, answer)


def _shows_outage(channel: Channel, answer: Answer) -> bool:
    """Whether eMAG cannot be worked with at all: proved at once, or lost requests in a row."""
    if answer.verdict not in (Verdict.UNAVAILABLE, Verdict.UNKNOWN) or answer.cause not in GENERAL:
        return False
    channel.tally.lost_in_a_row += 1
    return answer.verdict is Verdict.UNAVAILABLE or channel.tally.lost_in_a_row >= LOST_IN_A_ROW


def _refusal(lot: Lot, item: Item, answer: Answer) -> str | None:
    """Why eMAG refused this very item, if it did: it names it, or there was no other."""
    named = answer.named.get(item.step.subject)
    return answer.text() if named is None and len(lot.items) == 1 else named


async def _take_back(channel: Channel, batch: Batch, works: Sequence[Work]) -> None:
    """Forget intents that came to nothing: the books say what they said before them."""
    if not works:
        return
    before = [
        {
            "id": work.claim.id,
            "sent": work.known.sent,
            "reductions": known.to_json() if (known := work.known.reductions) else None,
        }
        for work in works
    ]
    async with channel.engine.begin() as connection:
        orders = [work.claim.order_id for work in works]
        platform = channel.account.platform
        held = await leases.lock_held(connection, platform, orders, batch.token)
        await connection.execute(
            text(_for(batch, _TAKE_BACK)),
            {"intents": json.dumps(before), "orders": sorted(held)},
        )


async def _intend(
    channel: Channel, batch: Batch, lot: Lot, slot: budget.Slot
) -> tuple[Lot, Call] | None:
    """One commit: what is still ours and unchanged is entered as sent; its leases outlive it."""
    lot = _without_old_copies(channel, lot, slot)
    while lot.items:
        entered = await intend(
            channel.engine,
            channel.schema,
            batch.kind,
            channel.account,
            batch.token,
            [item.intent for item in lot.items],
            lot.route,
            lot.subject(batch.kind),
            lot.body,
            life=longest_life(channel, slot),
            sealer=channel.sealer,
        )
        if isinstance(entered, Call):
            return lot, entered
        lot = _without_hindered(channel, lot, entered)
    return None


def _without_old_copies(channel: Channel, lot: Lot, slot: budget.Slot) -> Lot:
    """The items whose copies will still be young when the request leaves."""
    kept = []
    for item in lot.items:
        work = item.work
        if work.copy is None or slot.at - work.copy.began > channel.timings.copy_age:
            work.copy = work.plan = None
        else:
            kept.append(item)
    return replace(lot, items=tuple(kept))


def _without_hindered(channel: Channel, lot: Lot, hindered: Hindered) -> Lot:
    """The items whose lease is held and whose ERP row is as planned on."""
    kept = []
    for item in lot.items:
        work = item.work
        if work.claim.id in hindered.lost:
            end(work, State.PENDING, reason="The order's lease was lost before sending.")
        elif work.claim.id in hindered.changed:
            end(work, State.PENDING, delay=channel.timings.quiet)
        else:
            kept.append(item)
    return replace(lot, items=tuple(kept))


def _for(batch: Batch, statement: str) -> str:
    books = BOOKS[batch.kind]
    return statement.format(table=books.name, erp_id=books.erp_id)


def _note_verdict(channel: Channel, batch: Batch, lot: Lot, answer: Answer) -> None:
    for item in lot.items:
        note_response(item.work, answer)
    _VERDICTS[answer.verdict](channel, batch, lot, answer)


def _applied(channel: Channel, batch: Batch, lot: Lot, answer: Answer) -> None:
    channel.tally.lost_in_a_row = 0
    for item in lot.items:
        _know_as_sent(item)
        if len(item.plan.steps) == 1:
            settle(item.work, item.plan.then, channel.timings)
        else:
            item.work.copy = item.work.plan = None


def _know_as_sent(item: Item) -> None:
    """What the intent's commit wrote holds for the next plan, too."""
    known = item.work.known
    item.work.known = replace(
        known, sent=True, reductions=item.plan.reductions or known.reductions, had=None
    )


def _refused(channel: Channel, batch: Batch, lot: Lot, answer: Answer) -> None:
    """Nothing is proved yet, so all is read anew; what eMAG refused is not sent a second time.

    A refusal that names nobody is halved down to single items.
    """
    channel.tally.lost_in_a_row = 0
    for item in lot.items:
        work, message = item.work, _refusal(lot, item, answer)
        if message is not None:
            work.denial = Denial(item.step.label, message, work.known)
        else:
            work.lot_cap = max(1, len(lot.items) // 2)
        _know_as_sent(item)
        work.copy = work.plan = None


def _throttled(channel: Channel, batch: Batch, lot: Lot, answer: Answer) -> None:
    """Proved not applied: the same plan may be sent again once the budget allows."""
    for item in lot.items:
        item.work.plan = None


def _unavailable(channel: Channel, batch: Batch, lot: Lot, answer: Answer) -> None:
    for item in lot.items:
        pause(item.work, answer.text() or "eMAG could not be reached", channel.timings)


def _unknown(channel: Channel, batch: Batch, lot: Lot, answer: Answer) -> None:
    """It may have been applied or may be yet: the order rests until the request is surely dead.

    That is when its lease runs out. The row is due at that moment, like its siblings.
    """
    for item in lot.items:
        end(
            item.work,
            State.IN_DOUBT,
            reason="eMAG's answer was lost: its state is read once the request is surely dead.",
        )


_VERDICTS: Mapping[Verdict, Callable[[Channel, Batch, Lot, Answer], None]] = {
    Verdict.APPLIED: _applied,
    Verdict.REFUSED: _refused,
    Verdict.THROTTLED: _throttled,
    Verdict.UNAVAILABLE: _unavailable,
    Verdict.UNKNOWN: _unknown,
}
