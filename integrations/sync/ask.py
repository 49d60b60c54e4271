"""Ask eMAG something: reads, repeated until they are answered or it is clear that they won't be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from integrations.emag.routes import LIMITS, ORDER_READ, RMA_READ, Route
from integrations.emag.verdicts import Answer, Cause, Verdict
from integrations.emag.wire import Raw, rows
from integrations.ledger import budget
from integrations.ledger.calls import (
    Call,
    Subject,
    close_call,
    close_unsent,
    open_read,
    recent_calls,
)
from integrations.sync.channel import Channel
from integrations.sync.drift import note_unknown_fields
from integrations.sync.outage import CORRECTABLE, GENERAL, OutageError

ATTEMPTS = 4

# What entering a read takes before it can leave, in seconds.
LEAD = 0.005

WINDOW = 3.0

THROTTLED = "eMAG keeps answering that its request limit is exceeded"

FILTERS_IGNORED = (
    "`emag-flows doctor` saw eMAG ignore the filters of this account's reads, so nothing is asked"
    " of it; run doctor again: once it sees them honoured, syncs go on by themselves"
)

# A window that our own requests fill to this share is full because of us.
OWN_SHARE = 0.85

# Asking again cannot help these; after a silence one brief read tells more, and sooner.
_NOT_REPEATED = frozenset({Cause.CREDENTIALS, Cause.ADDRESS, Cause.ROUTE, Cause.TIMEOUT})


NEUTRAL: Final[Mapping[Route, Mapping[str, Any]]] = {
    ORDER_READ: {"status": [4], "type": 3, "itemsPerPage": 1},
    RMA_READ: {"request_status": 2, "itemsPerPage": 1},
}
"""Reads that tell whether a route fails at everything, or at one order or return only."""


class ReadRefusedError(Exception):
    """This very read can't be had: eMAG refused it; others may do."""


class ReadFailedError(ReadRefusedError):
    """eMAG fails at this very read, or nobody can read its answer; it may be had later."""


class _UnansweredError(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text())
        self.answer = answer


async def ask(
    channel: Channel,
    route: Route,
    body: Mapping[str, Any],
    subject: Subject,
    *,
    briefly: bool = False,
) -> list[Raw]:
    """The rows of a read; `briefly` for one that only finds out whether eMAG answers.

    Raises:
        OutageError: eMAG did not answer, or refused the credentials.
        ReadRefusedError: eMAG refused this very read, or (ReadFailedError) cannot answer it.
        BudgetBusyError: the request budget has no slot in time, or eMAG keeps throttling.
    """
    # Who is not answered keeps its place until it is: nobody else needs to find that out.
    async with channel.gate:
        answer = await _ask_until_answered(channel, route, body, subject, briefly=briefly)
        if _may_be_its_own(answer) and not briefly:
            answer = await _judged(channel, route, body, subject, answer)
    return await _rows_in(channel, route, answer)


async def _judged(
    channel: Channel, route: Route, body: Mapping[str, Any], subject: Subject, answer: Answer
) -> Answer:
    """Its answer in the end, once it is known whether eMAG fails at this very read.

    Raises:
        ReadFailedError: it does, and answers others.
        OutageError, BudgetBusyError: eMAG does not answer, or that can't be found out now.
    """
    neutral = NEUTRAL.get(route)
    if neutral is None or body == neutral:
        return await _after_silence(channel, route, body, subject, answer)
    async with channel.tally.judging:
        await _ask_neutrally(channel, route, neutral)
    answer = await _ask_until_answered(channel, route, body, subject, most=1)
    if _may_be_its_own(answer):
        raise ReadFailedError(answer.text() or answer.verdict.value)
    return answer


async def _after_silence(
    channel: Channel, route: Route, body: Mapping[str, Any], subject: Subject, answer: Answer
) -> Answer:
    """Its answer when it is asked once more: there is no other read that would tell as much."""
    if answer.cause is not Cause.TIMEOUT:
        return answer
    async with channel.tally.judging:
        return await _ask_until_answered(channel, route, body, subject, most=1, briefly=True)


async def _rows_in(channel: Channel, route: Route, answer: Answer) -> list[Raw]:
    match answer.verdict:
        case Verdict.APPLIED:
            found = rows(answer.results)
            await note_unknown_fields(channel, route, found)
            return found
        case Verdict.REFUSED:
            raise ReadRefusedError(answer.text())
        case Verdict.UNAVAILABLE if answer.cause not in GENERAL or _is_missing(route, answer):
            raise ReadFailedError(answer.text())
        case Verdict.THROTTLED:
            raise budget.BudgetBusyError(THROTTLED)
        case _:
            raise await note_outage(channel, route, answer)


def _may_be_its_own(answer: Answer) -> bool:
    """Whether eMAG may have failed at what was asked for, and could answer something else."""
    return answer.verdict is Verdict.UNAVAILABLE and answer.cause in GENERAL - CORRECTABLE


async def _ask_neutrally(channel: Channel, route: Route, body: Mapping[str, Any]) -> None:
    """See that the route answers others. Raises OutageError, BudgetBusyError: it does not."""
    answer = await _ask_until_answered(channel, route, body, Subject(), most=1, briefly=True)
    with suppress(ReadRefusedError):
        await _rows_in(channel, route, answer)


def _is_missing(route: Route, answer: Answer) -> bool:
    """Whether the route alone is not there, and nothing is wrong with the address."""
    return answer.cause is Cause.ROUTE and not route.documented


async def _ask_until_answered(
    channel: Channel,
    route: Route,
    body: Mapping[str, Any],
    subject: Subject,
    *,
    most: int = ATTEMPTS,
    briefly: bool = False,
) -> Answer:
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(_UnansweredError),
        stop=stop_after_attempt(most),
        wait=partial(_pause, channel.timings.ask_again),
        reraise=True,
    )
    try:
        return await attempts(_ask_once, channel, route, body, subject, briefly)
    except _UnansweredError as unanswered:
        return unanswered.answer


def _pause(first: float, state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    # After a 429 the budget itself makes everyone wait.
    if isinstance(error, _UnansweredError) and error.answer.verdict is Verdict.THROTTLED:
        return 0.0
    return float(wait_exponential_jitter(multiplier=first, jitter=2 * first)(state))


def _worth_repeating(answer: Answer) -> bool:
    return (
        answer.verdict in (Verdict.THROTTLED, Verdict.UNAVAILABLE, Verdict.UNKNOWN)
        and answer.cause not in _NOT_REPEATED
    )


async def _ask_once(
    channel: Channel, route: Route, body: Mapping[str, Any], subject: Subject, briefly: bool
) -> Answer:
    """One request. Raises _UnansweredError where another may be answered."""
    slot, call = await _enter(channel, route, body, subject)
    brief = briefly or slot.probing is not None
    try:
        answer = await channel.client.exchange(
            route,
            body,
            departing=partial(hold, channel, route, slot),
            within=channel.timings.probe_deadline if brief else None,
        )
    except (budget.BudgetBusyError, OutageError):
        await note_unsent(channel, route, call, slot)
        raise
    except asyncio.CancelledError:  # its run stops: whoever goes on need not wait for its end
        await _note_vain_probe(channel, route, slot)
        raise
    await note_answer(channel, route, call, answer, slot)
    if _worth_repeating(answer) and not slot.probing:
        raise _UnansweredError(answer)
    return answer


def stop_if_known(channel: Channel) -> None:
    """Raise OutageError where it is known that eMAG cannot be asked, or that it must not be.

    Where it ignores filters, every read shows other orders and returns than those asked for.
    """
    if channel.profile.top_level_filters is False:
        raise OutageError(Cause.BODY, FILTERS_IGNORED)
    if channel.tally.outage:
        raise channel.tally.outage


async def reserve_slot(channel: Channel, route: Route, lead: float) -> budget.Slot:
    """The next slot of the request budget for a save.

    Raises:
        OutageError: it is known that eMAG cannot be asked, or must not be.
        BudgetBusyError: there is no slot in time, or this run was throttled as often as it asks.
    """
    stop_if_known(channel)
    if channel.tally.throttled_in_a_row[route] >= ATTEMPTS:
        raise budget.BudgetBusyError(THROTTLED)
    with _unless_down(channel):
        slot = await _reserve(channel, route, channel.timings.budget_wait, lead)
    channel.tally.wait(route, slot.waited)
    return slot


async def _enter(
    channel: Channel, route: Route, body: Mapping[str, Any], subject: Subject
) -> tuple[budget.Slot, Call]:
    """The same for a read, which is entered with its slot."""
    stop_if_known(channel)
    with _unless_down(channel):
        slot, call = await open_read(
            channel.engine,
            channel.account,
            route,
            subject,
            body,
            life=channel.timings.budget_wait + channel.timings.deadline,
            sealer=channel.sealer,
            longest=channel.timings.budget_wait,
            lead=LEAD,
            probe=channel.timings.probe_over,
            background=channel.background,
        )
    channel.tally.wait(route, slot.waited)
    return slot, call


async def _reserve(
    channel: Channel,
    route: Route,
    longest: float,
    lead: float,
) -> budget.Slot:
    return await budget.reserve(
        channel.engine,
        channel.account,
        route,
        longest=longest,
        lead=lead,
        probe=channel.timings.probe_over,
        background=channel.background,
    )


@contextmanager
def _unless_down(channel: Channel) -> Iterator[None]:
    """A reservation within the block raises OutageError where eMAG counts as down."""
    try:
        yield
    except budget.EmagDownError as down:
        channel.tally.outage = OutageError(Cause(down.cause), str(down))
        raise channel.tally.outage from down


async def hold(channel: Channel, route: Route, slot: budget.Slot) -> None:
    """Wait for the slot on the open connection; one that is missed is renewed, or another taken.

    Once eMAG has asked for a pause, only a slot behind it will do. A process that was halted
    meanwhile may find that the order is another worker's by now: beyond what its `longest_life`
    allows for, nothing leaves.

    Raises:
        BudgetBusyError: there is no other slot before the request must have left.
        OutageError: eMAG counts as down by now.
    """
    latest = slot.at + channel.timings.budget_wait
    bucket = channel.engine, channel.account, route
    while not await slot.reached(channel.timings.slot_tolerance) or budget.is_paused(*bucket):
        left = latest - time.monotonic()
        if left <= 0.0:
            raise budget.BudgetBusyError("the request could not leave in time: it is sent later")
        if slot.probing:
            return
        renewed = None if budget.is_paused(*bucket) else await budget.renew(*bucket, slot)
        if renewed is None:
            with _unless_down(channel):
                renewed = await _reserve(channel, route, left, lead=0.0)
        slot = renewed
        channel.tally.wait(route, slot.waited)


def longest_life(channel: Channel, slot: budget.Slot) -> float:
    """Seconds from now until a request that takes this slot, or a later one, is surely dead."""
    wait = max(0.0, slot.at - time.monotonic())
    return wait + channel.timings.budget_wait + channel.timings.surely_dead


async def note_outage(channel: Channel, route: Route, answer: Answer) -> OutageError:
    """Stop this run, and every other worker's, from asking what eMAG will not answer now."""
    outage = OutageError.of(answer)
    channel.tally.outage = outage
    if not channel.apart:
        await budget.mark_down(
            channel.engine,
            channel.account,
            route,
            outage.cause.value,
            str(outage),
            probe=channel.timings.probe,
        )
    return outage


async def note_answer(
    channel: Channel, route: Route, call: Call, answer: Answer, slot: budget.Slot
) -> None:
    """Close a call with its verdict, count it, and pass on what it says of eMAG and its limit."""
    await close_call(channel.engine, call, answer, channel.sealer)
    channel.tally.count(route)
    if slot.probing and answer.verdict in (Verdict.APPLIED, Verdict.REFUSED, Verdict.THROTTLED):
        await budget.mark_up(channel.engine, channel.account, route)
    else:
        await _note_vain_probe(channel, route, slot)
    throttled = answer.verdict is Verdict.THROTTLED
    channel.tally.throttled += throttled
    _note_pause(channel, route, throttled)
    pause = (
        (answer.retry_after or WINDOW) if throttled else await _unforeseen(channel, route, answer)
    )
    if pause:
        await budget.push_back(
            channel.engine, channel.account, route, pause=pause, throttled=throttled
        )


async def note_unsent(channel: Channel, route: Route, call: Call, slot: budget.Slot) -> None:
    """Close a call that missed its slot and never left."""
    await close_unsent(channel.engine, call)
    await _note_vain_probe(channel, route, slot)


async def _note_vain_probe(channel: Channel, route: Route, slot: budget.Slot) -> None:
    if slot.probing:
        await budget.probed(
            channel.engine, channel.account, route, slot, probe=channel.timings.probe
        )


def _note_pause(channel: Channel, route: Route, throttled: bool) -> None:
    """Count the pauses in a row; one that several requests under way are told of is one."""
    if not throttled:
        channel.tally.throttled_in_a_row[route] = 0
    elif not budget.is_paused(channel.engine, channel.account, route):
        channel.tally.throttled_in_a_row[route] += 1


async def _unforeseen(channel: Channel, route: Route, answer: Answer) -> float | None:
    """The window that eMAG says is used up, in seconds, unless our own even pace explains it.

    At that pace a window is always about full, and frees as fast as we go on. Somebody else who
    uses the same login leaves fewer requests to us than we think. Looked at once a window.
    """
    window = answer.exhausted
    if window is None or time.monotonic() - channel.tally.looked_at < window:
        return None
    channel.tally.looked_at = time.monotonic()
    own = await recent_calls(channel.engine, channel.account.platform, route, window)
    return None if own >= OWN_SHARE * window * LIMITS[route.bucket] else window
