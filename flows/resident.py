"""The resident loop: what the ERP decides is carried as soon as it has rested, with no run between.

Once a second our own table is looked at. What asks for work is done with the stories' own
functions, one pass at a time for each account and kind, and any number of such loops may run
beside the scheduled runs: they share the request budget, and an order belongs to one of them.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from flows.database import DatabaseUnreachableError
from flows.env_file import EnvFile
from flows.inbound import bring_in
from flows.invoice import learn_issued
from flows.outbound import carry_out, close_report
from flows.pausing import most_unasked
from flows.report import Report
from flows.shop import Shop, open_channel, open_shop
from integrations.erp.rows import Kind
from integrations.erp.schema import read_schema
from integrations.ledger import changes, pulse
from integrations.ledger.books import State
from integrations.ledger.calls import prepare_calls
from integrations.ledger.claims import BATCH
from integrations.ledger.database import autocommit
from integrations.ledger.profile import read_profile
from integrations.settings import ConfigurationError, without_password
from integrations.sync.channel import Channel, Tally
from tasks.receive import receive_orders, receive_returns
from tasks.step import transient

log = logging.getLogger("emag.resident")

LOOK_SECONDS = 1.0
LONGEST_PAUSE = 30.0
LOOK_AROUND_SECONDS = 300.0

# What a run left owed without a hint is the scheduled runs' matter: here it is read this seldom.
HINT_REST = 300.0

# Reading news takes a listing: hints that come one after the other are answered together.
HINT_PAUSE = 60.0

# How long what is under way at the end may take to come to its end by itself.
GRACE = 8.0

IN_FLIGHT = 8

# What says in its own words all that there is to say.
KNOWN = (DatabaseUnreachableError, ConfigurationError)


@dataclass
class Trouble:
    """Something that does not answer: said once when it begins and once when it ends."""

    what: str
    why: str = ""
    pause: float = 0.0
    since: float = 0.0

    def begins(self, why: str, error: BaseException | None = None) -> None:
        """It has failed, again perhaps: the next attempt comes after twice the pause."""
        if not self.why:
            log.warning("%s: %s; trying again by itself", self.what, why, exc_info=error)
            self.since = time.monotonic()
        self.why = why
        self.pause = min(LONGEST_PAUSE, max(1.0, 2 * self.pause))

    def ends(self) -> None:
        """It works."""
        if self.why:
            log.warning("%s works again, after %.0f s", self.what, time.monotonic() - self.since)
        self.why, self.pause = "", 0.0


@dataclass
class Vitals:
    """What the loop has done so far and what stands in its way, for whoever shows it."""

    rows: Counter[State] = field(default_factory=Counter)
    passes: int = 0
    last_pass: datetime | None = None
    troubles: dict[str, Trouble] = field(default_factory=dict)

    def trouble(self, name: str, what: str) -> Trouble:
        """The trouble of this name, which there may be none of at the moment."""
        return self.troubles.setdefault(name, Trouble(what))

    @property
    def complaints(self) -> list[str]:
        """What does not answer now, and why."""
        return [f"{each.what}: {each.why}" for each in self.troubles.values() if each.why]


@dataclass
class Desk:
    """One account's place: its kept-open channel, and the passes that are under way there."""

    channel: Channel
    trouble: Trouble
    wake: asyncio.Event
    not_before: dict[str, float] = field(default_factory=dict)
    busy: dict[str, asyncio.Task[None]] = field(default_factory=dict)


class NotNowError(Exception):
    """What a pass would do is left alone for a while."""


Pass = Callable[[Channel, Report], Awaitable[None]]
Passes = Mapping[str, Pass]


async def reside(
    vitals: Vitals, account: str = "all", stopping: asyncio.Event | None = None
) -> None:
    """Carry what asks for it until `stopping` is set, whatever becomes of eMAG and the database.

    Raises:
        ConfigurationError: there is nothing to work with.
    """
    stopping = stopping or asyncio.Event()
    trouble = vitals.trouble("database", "the database")
    has_begun = False
    while not stopping.is_set():
        try:
            async with open_shop(account) as shop, _desks(shop, vitals) as desks:
                has_begun = True
                await _attend(account, shop, desks, vitals, stopping)
        except Exception as error:
            if isinstance(error, ConfigurationError) and not has_begun:
                raise
            known = transient(error) or isinstance(error, KNOWN)
            trouble.begins(in_short(error), None if known else error)
        await _sleep(stopping, trouble.pause)


@asynccontextmanager
async def _desks(shop: Shop, vitals: Vitals) -> AsyncIterator[Mapping[str, Desk]]:
    """A desk for each account; passes that are under way at the end get a moment to finish."""
    wake = asyncio.Event()
    async with AsyncExitStack() as stack:
        desks = {
            account.name: Desk(
                await stack.enter_async_context(open_channel(shop, account, IN_FLIGHT)),
                vitals.trouble(account.name, f"eMAG, account {account.name}"),
                wake,
            )
            for account in shop.accounts
        }
        try:
            yield desks
        finally:
            await _finish([task for desk in desks.values() for task in desk.busy.values()])


async def _finish(passes: list[asyncio.Task[None]]) -> None:
    if passes:
        _, late = await asyncio.wait(passes, timeout=GRACE)
        for each in late:
            each.cancel()
        await asyncio.gather(*passes, return_exceptions=True)


async def _attend(
    account: str,
    shop: Shop,
    desks: Mapping[str, Desk],
    vitals: Vitals,
    stopping: asyncio.Event,
) -> None:
    """Carry what asks for it until `stopping` is set, or other settings are to be gone by.

    Then nothing new is begun, and what is under way comes to its end with those it began with.
    """
    trouble = vitals.trouble("database", "the database")
    looked_around = time.monotonic()
    passes: Passes = PASSES
    wake = next(iter(desks.values())).wake
    file = EnvFile("the resident loops", shop.settings, lambda new: new.chosen(account))
    while not stopping.is_set():
        if file.changed():
            passes = {}
        if not passes and not any(desk.busy for desk in desks.values()):
            return
        wake.clear()
        rest = await _look(shop, desks, passes, vitals)
        trouble.ends()
        if time.monotonic() - looked_around > LOOK_AROUND_SECONDS:
            looked_around = time.monotonic()
            await prepare_calls(shop.engine)
            await _read_schema(shop, desks)
        await _sleep(stopping, rest, wake)


async def _look(shop: Shop, desks: Mapping[str, Desk], passes: Passes, vitals: Vitals) -> float:
    """Stamp what is new, fold what has rested, start what is due; seconds until the next look."""
    await changes.stamp(shop.engine)
    beat = await pulse.look(shop.engine, shop.accounts, shop.timings, hint_rest=HINT_REST)
    folded = 0
    if beat.rest is not None and beat.rest <= 0:
        folded = await _fold(shop, desks)
        beat = await pulse.look(shop.engine, shop.accounts, shop.timings, hint_rest=HINT_REST)
    for name, what in beat.asked:
        if what in passes:
            _start(desks[name], what, vitals, passes[what])
    if beat.rest is None or (beat.rest <= 0 and not folded):  # another run holds what has rested
        return LOOK_SECONDS
    return min(LOOK_SECONDS, max(0.0, beat.rest))


async def _fold(shop: Shop, desks: Mapping[str, Desk]) -> int:
    channel = next(iter(desks.values())).channel
    folded = await changes.fold(
        channel.engine,
        channel.schema,
        channel.accounts,
        shop.timings,
        require_approval=channel.require_approval,
    )
    return folded.changes


def _start(desk: Desk, name: str, vitals: Vitals, carry: Pass) -> None:
    """Start a pass, unless one of its name is under way or eMAG has failed a moment ago."""
    if name in desk.busy or time.monotonic() < desk.not_before.get(name, -math.inf):
        return
    task = asyncio.create_task(_pass(desk, name, carry, vitals))
    desk.busy[name] = task

    def over(_: asyncio.Task[None]) -> None:
        del desk.busy[name]
        desk.wake.set()

    task.add_done_callback(over)


async def _pass(desk: Desk, name: str, carry: Pass, vitals: Vitals) -> None:
    began = time.monotonic()
    channel = replace(desk.channel, tally=Tally(), scan=None)
    report = Report("resident", channel.account.name, "both", False, datetime.now(UTC))
    try:
        account = channel.account
        profile = await read_profile(channel.engine, account.platform, account.name)
        channel = replace(channel, profile=profile)  # doctor may have found something out
        await carry(channel, report)
    except NotNowError:
        desk.not_before[name] = time.monotonic() + LONGEST_PAUSE
        return
    except Exception as error:
        # What we did not foresee is told whole, once; the next pass may well succeed.
        desk.trouble.begins(in_short(error), None if transient(error) else error)
    else:
        _note(desk, close_report(report, channel, began), vitals)
    rest = HINT_PAUSE if name in HINTS else 0.0
    desk.not_before[name] = time.monotonic() + max(rest, desk.trouble.pause)


def _note(desk: Desk, report: Report, vitals: Vitals) -> None:
    vitals.passes += 1
    vitals.rows.update(report.rows)
    if report.unreachable:
        desk.trouble.begins(report.unreachable)
    else:
        desk.trouble.ends()
        vitals.last_pass = datetime.now(UTC)


async def _carry_returns(channel: Channel, report: Report) -> None:
    await carry_out(channel, Kind.RMA, BATCH, report, waits=False)


async def _carry_cancellations(channel: Channel, report: Report) -> None:
    """Where more are due than may go unasked, the scheduled run asks a person."""
    limit = await most_unasked(channel, BATCH)
    if limit is None:
        raise NotNowError
    await carry_out(channel, Kind.CANCELLATION, limit, report, waits=False)


async def _carry_invoices(channel: Channel, report: Report) -> None:
    if await learn_issued(channel, report):
        await carry_out(channel, Kind.INVOICE, BATCH, report, waits=False)


async def _read_returns(channel: Channel, report: Report) -> None:
    await bring_in(report, receive_returns(channel))


async def _read_orders(channel: Channel, report: Report) -> None:
    await bring_in(report, receive_orders(channel))


# What eMAG's hints are about, and what reads it.
HINTS: Passes = {"returns": _read_returns, "orders": _read_orders}

# What is done about rows of each kind that are due, and about each thing that eMAG hints at.
PASSES: Passes = {
    Kind.RMA.value: _carry_returns,
    Kind.CANCELLATION.value: _carry_cancellations,
    Kind.INVOICE.value: _carry_invoices,
    **HINTS,
}


async def _read_schema(shop: Shop, desks: Mapping[str, Desk]) -> None:
    """The ERP may have got columns since."""
    async with autocommit(shop.engine) as connection:
        schema = await read_schema(connection)
    for desk in desks.values():
        desk.channel = replace(desk.channel, schema=schema)


async def _sleep(
    stopping: asyncio.Event, seconds: float, wake: asyncio.Event | None = None
) -> None:
    """Sleep, or less where one of the events comes."""
    if stopping.is_set() or seconds <= 0:
        await asyncio.sleep(0)
        return
    waits = [asyncio.ensure_future(event.wait()) for event in (stopping, wake) if event]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


def in_short(error: Exception) -> str:
    """The first line, without a password; what the driver adds may hold a row's values."""
    lines = str(error).splitlines() or [type(error).__name__]
    return without_password(lines[0])
