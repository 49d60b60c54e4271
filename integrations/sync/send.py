"""Send first steps in lots: the intent, then the request, then what its verdict proves."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import psycopg

from integrations.emag.verdicts import Answer, Verdict
from integrations.erp.rows import Kind
from integrations.ledger import budget, leases
from integrations.ledger.books import BOOKS, State
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.calls import Call
from integrations.ledger.database import transaction
from integrations.ledger.intents import Hindered, intend
from integrations.ledger.line import is_undone
from integrations.ledger.points import Point, reached
from integrations.sync.abreast import abreast
from integrations.sync.ask import (
    ReadRefusedError,
    hold,
    longest_life,
    note_answer,
    note_outage,
    note_unsent,
    reserve_slot,
)
from integrations.sync.channel import Channel
from integrations.sync.failing import note_failure
from integrations.sync.lots import Item, Lot, lots_of
from integrations.sync.outage import CORRECTABLE, GENERAL, OutageError
from integrations.sync.plan import Do, Known
from integrations.sync.probe import probe
from integrations.sync.reductions import untouched
from integrations.sync.work import (
    Batch,
    Denial,
    Work,
    end,
    fail,
    note_response,
    pause,
    rest,
    settle,
)

# What the intent's commit takes before a request can leave, in seconds.
LEAD = 0.040

# Verdicts that prove that nothing of the lot was applied.
NOT_APPLIED = frozenset({Verdict.THROTTLED, Verdict.UNAVAILABLE})

# Lost requests in a row after which a read has to tell whether eMAG is down.
LOST_IN_A_ROW = 3

_RANDOM = random.SystemRandom()

FAILED_AGAIN = "Sent alone, it failed again"

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


class _HaltedError(Exception):
    """A request would leave so late that its orders may be another worker's before it is dead."""


async def send_steps(channel: Channel, batch: Batch, works: Sequence[Work]) -> None:
    """Send the first step of each planned row; rows end, or lose their copy to be read anew.

    Raises:
        OutageError, BudgetBusyError: nothing more can be sent now; the rows not yet sent stay open.
    """

    async def send(channel: Channel, lot: Lot) -> None:
        await _send_lot(channel, batch, lot)

    await _take_back(channel, batch, [*_end_denied(works), *_rest_failed(channel, works)])
    await abreast(channel, _in_order(lots_of(works)), send)


def _in_order(lots: Iterable[Lot]) -> list[Lot]:
    """Those that did not fail before go first.

    The others go at random: where the first that fail hold up the rest for this run, other ones
    are first in the next.
    """
    return sorted(lots, key=lambda lot: (lot.failed_before, _RANDOM.random()))


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


def _rest_failed(channel: Channel, works: Sequence[Work]) -> list[Work]:
    """Let rows rest that failed alone once more; the fresh read shows that it had no effect."""
    rested = []
    for work in works:
        failed = work.failed
        if work.plan is not None and failed and failed.in_doubt and work.claim.attempts:
            work.known = _before(work, work.plan)
            reason = f"{FAILED_AGAIN}, and nothing was done: {_unended(failed.message)}."
            rest(work, reason, channel.timings)
            rested.append(work)
    return rested


def _before(work: Work, plan: Do) -> Known:
    """What the books are to hold while the row rests.

    What it takes off an order's lines is measured anew then: others may take some meanwhile.
    """
    order = work.copy.order if work.copy else None
    if order is None or plan.reductions is None or not untouched(plan.reductions, order):
        return work.known
    return replace(work.known, sent=False, reductions=None)


def _is_held_back(channel: Channel, batch: Batch, lot: Lot) -> bool:
    """Whether the row need not be tried again: every order seems to fail, as it did."""
    failing = batch.failing.get(lot.route)
    if failing is None or not lot.failed_before:
        return False
    for work in lot.works:
        pause(work, str(failing), channel.timings)
    return True


async def _send_lot(channel: Channel, batch: Batch, lot: Lot) -> None:
    orders = {item.work.claim.order_id for item in lot.items}
    async with channel.gate:
        if _is_held_back(channel, batch, lot):
            return
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
        answer = await _exchange(channel, batch, lot, call, slot)
    if answer is None:
        return
    await reached(Point.ANSWERED)
    await note_answer(channel, lot.route, call, answer, slot)
    await reached(Point.NOTED)
    await _conclude(channel, batch, lot, answer)


async def _conclude(channel: Channel, batch: Batch, lot: Lot, answer: Answer) -> None:
    """What follows from the answer, or its absence, for the rows, and for what is to be sent."""
    if answer.verdict in NOT_APPLIED:
        await _take_back(channel, batch, lot.works)
    if answer.verdict is not Verdict.UNKNOWN:
        batch.doubtful -= {work.claim.order_id for work in lot.works}
    excuse = partial(_note_verdict, channel, lot, answer, own=False)
    await note_failure(channel, batch, lot, answer, excuse if lot.failed_before else None)
    stop = await _what_stops(channel, batch.kind, lot, answer)
    _note_verdict(channel, lot, answer, own=lot.failed_before and stop is None)
    if stop is not None:
        raise stop


async def _exchange(
    channel: Channel, batch: Batch, lot: Lot, call: Call, slot: budget.Slot
) -> Answer | None:
    """The answer to what was entered; None if nothing left and all is to be planned anew.

    Raises:
        BudgetBusyError, OutageError: nothing left, and nothing more can be sent now.
    """
    confirm = partial(_confirm, channel, batch, lot, call)
    try:
        return await channel.client.exchange(
            lot.route,
            lot.body,
            path_id=lot.path_id,
            departing=partial(hold, channel, lot.route, slot, confirm),
        )
    except (BudgetBusyError, OutageError):
        await _undo_intent(channel, batch, lot, call, slot)
        raise
    except _HaltedError:
        await _undo_intent(channel, batch, lot, call, slot)
        for work in lot.works:  # where an order is somebody else's by now, the next intent says so
            work.copy = work.plan = None
        return None


async def _undo_intent(
    channel: Channel, batch: Batch, lot: Lot, call: Call, slot: budget.Slot
) -> None:
    await note_unsent(channel, lot.route, call, slot)
    await _take_back(channel, batch, lot.works)
    batch.doubtful -= {work.claim.order_id for work in lot.works}


async def _confirm(channel: Channel, batch: Batch, lot: Lot, call: Call) -> None:
    """See that a request that leaves now is dead when its call is, and the orders ours until then.

    This host may have been suspended since the intent, and its clocks with it: what counts is the
    database's.

    Raises:
        _HaltedError: somebody else may have the orders before the request is dead.
    """
    orders = {work.claim.order_id for work in lot.works}
    platform, life = channel.account.platform, channel.timings.surely_dead
    if not await leases.outlive(channel.engine, platform, orders, batch.token, call.dead_at, life):
        raise _HaltedError


async def _what_stops(
    channel: Channel, kind: Kind, lot: Lot, answer: Answer
) -> OutageError | BudgetBusyError | None:
    """Why nothing more can be sent now, if this answer, or its absence, shows that.

    That there is no connection is nobody's own fault. All else may be this request's: only where a
    read fails, too, eMAG counts as down.
    """
    if answer.verdict not in (Verdict.UNAVAILABLE, Verdict.UNKNOWN) or answer.cause not in GENERAL:
        return None
    proved = answer.verdict is Verdict.UNAVAILABLE
    if proved and answer.http_status is None:
        return await note_outage(channel, lot.route, answer)
    channel.tally.lost_in_a_row += 1
    if not (proved or lot.failed_before or channel.tally.lost_in_a_row >= LOST_IN_A_ROW):
        return None
    try:
        async with channel.tally.probing:
            await probe(channel, kind)
    except (OutageError, BudgetBusyError) as stop:
        return stop
    except ReadRefusedError:
        pass
    channel.tally.lost_in_a_row = 0
    return _what_a_person_corrects(channel, lot, answer)


def _what_a_person_corrects(channel: Channel, lot: Lot, answer: Answer) -> OutageError | None:
    """Why this run alone stops although eMAG lets us read: who may read need not may write."""
    if answer.cause not in CORRECTABLE or lot.failed_before:
        return None
    channel.tally.outage = OutageError.of(answer)
    return channel.tally.outage


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
    async with transaction(channel.engine) as connection:
        orders = [work.claim.order_id for work in works]
        platform = channel.account.platform
        held = await leases.lock_held(connection, platform, orders, batch.token)
        await connection.execute(
            _for(batch, _TAKE_BACK),
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
            by_word=channel.by_word,
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
        if work.copy is None or work.copy.began.age() + slot.left() > channel.timings.copy_age:
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


def _note_verdict(channel: Channel, lot: Lot, answer: Answer, own: bool) -> None:
    """What the verdict means for the rows; `own`: that the request failed is the row's own."""
    for item in lot.items:
        note_response(item.work, answer)
    _VERDICTS[answer.verdict](channel, lot, answer, own)


def _applied(channel: Channel, lot: Lot, answer: Answer, own: bool) -> None:
    channel.tally.lost_in_a_row = 0
    for item in lot.items:
        item.work.failed = None
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


def _refused(channel: Channel, lot: Lot, answer: Answer, own: bool) -> None:
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


def _throttled(channel: Channel, lot: Lot, answer: Answer, own: bool) -> None:
    """Proved not applied: the same plan may be sent again once the budget allows.

    eMAG did not look at it, so it was no try: how often that is repeated is the run's matter.
    """
    for item in lot.items:
        item.work.plan = None
        item.work.tries -= 1
        item.work.rounds -= 1


def _unavailable(channel: Channel, lot: Lot, answer: Answer, own: bool) -> None:
    for item in lot.items:
        if own:
            reason = f"{FAILED_AGAIN}: {_unended(answer.text())}."
            fail(item.work, reason, channel.timings)
        else:
            pause(item.work, answer.text() or "eMAG could not be reached", channel.timings)


def _unended(sentence: str) -> str:
    return sentence.rstrip(". ")


def _unknown(channel: Channel, lot: Lot, answer: Answer, own: bool) -> None:
    """It may have been applied or may be yet: the order rests until the request is surely dead.

    That is when its lease runs out. The row is due at that moment, like its siblings.
    """
    lost = f"{FAILED_AGAIN} ({_unended(answer.text())})" if own else "eMAG's answer was lost"
    reason = f"{lost}: its state is read once the request is surely dead."
    for item in lot.items:
        end(item.work, State.IN_DOUBT, reason=reason, failed=own)


_VERDICTS: Mapping[Verdict, Callable[[Channel, Lot, Answer, bool], None]] = {
    Verdict.APPLIED: _applied,
    Verdict.REFUSED: _refused,
    Verdict.THROTTLED: _throttled,
    Verdict.UNAVAILABLE: _unavailable,
    Verdict.UNKNOWN: _unknown,
}
