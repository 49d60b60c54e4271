"""The way in of returns: eMAG's open ones, those placed lately, and those that were closed.

eMAG says of no return when it changed (API facts: Filters of rma/read). So all open ones are
listed in every run. One that was open before and is not now was refused, cancelled or finalized:
it is read by its number. What is opened and closed between two runs is found by when it was placed.
A refund can come long after: a closed return that awaits one is read again from time to time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from integrations.emag.accounts import TYPES, order_types
from integrations.emag.return_facts import emag_id_of, status_of, type_of
from integrations.emag.routes import RMA_COUNT, RMA_READ
from integrations.emag.unnumbered import row_key
from integrations.emag.wire import Raw, to_utc
from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from integrations.ledger.awaited_refunds import look_later, refunds_due
from integrations.ledger.calls import Subject
from integrations.ledger.clock import MARGIN, Clock, read_clock
from integrations.ledger.hints import forget_return
from integrations.ledger.mirror_returns import (
    Owed,
    open_returns,
    owe_missing,
    owed_due,
    rest_return,
)
from integrations.sync.abreast import abreast
from integrations.sync.ahead import Ahead
from integrations.sync.ask import ReadFailedError, ReadRefusedError, ask
from integrations.sync.channel import Channel
from integrations.sync.listing import Ends, FilterIgnoredError, IncompleteListingError, pages
from integrations.sync.packed import PackedPage
from integrations.sync.page import Page
from integrations.sync.receipt import Parked, Receipt
from integrations.sync.since import begin_look, end_look
from integrations.sync.take_returns import OPEN, take_returns
from integrations.sync.unnumbered import RETURNS, look_for_unnumbered
from integrations.sync.windows import read_window

# By how much a placement date may lie before the window: its time carries no zone.
TOLERANCE: Final = timedelta(hours=2)

MOST_SINGLY = 200
MOST_REFUNDS = 100


@dataclass
class ReturnsScan:
    """One scan of an account's open returns; each page is read once, whoever asks for it.

    A run of both directions shares one: it begins when rows of the ERP's are claimed and want
    copies, and what the way out leaves unread the way in reads.

    Attributes:
        complete: all pages are read.
        broken: reading them came to grief; the pages before are good.
        ahead: asks for pages before it is their turn, while somebody takes all of them.
    """

    complete: bool = False
    broken: bool = False
    ends: Ends = field(default_factory=Ends)
    ahead: Ahead[Page] = field(default_factory=Ahead)
    _read: list[PackedPage] = field(default_factory=list)
    _listing: AsyncIterator[Page] | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def began(self) -> float | None:
        """When the first page's read began, by the monotonic clock."""
        return self._read[0].began if self._read else None

    async def pages(self, channel: Channel) -> AsyncIterator[Page]:
        """All pages, those that were read before first.

        Raises:
            FilterIgnoredError, OutageError, BudgetBusyError, ReadRefusedError: as `listing.pages`.
        """
        number = 0
        while (page := await self._page(channel, number)) is not None:
            yield page
            number += 1

    async def _page(self, channel: Channel, number: int) -> Page | None:
        async with self._turn:
            if number < len(self._read):
                return self._read[number].page()
            if self.complete or self.broken:
                return None
            if self._listing is None:
                self._listing = _open_returns(channel, self.ends, self.ahead)
            try:
                page = await anext(self._listing)
            except StopAsyncIteration:
                self.complete = True
                return None
            except BaseException:
                self.broken = True
                raise
            self._read.append(PackedPage.of(page))
            return page


async def _open_returns(channel: Channel, ends: Ends, ahead: Ahead[Page]) -> AsyncIterator[Page]:
    account = channel.account
    lately = await open_returns(channel.engine, account.platform, account.name)
    for kind in order_types(account, channel.accounts):
        for status in OPEN:
            filters = {"request_status": int(status), "type": kind}
            fits = _has(kind, int(status))
            ahead.rows = lately.get((kind, int(status)), 0)
            async for page in pages(
                channel, RMA_READ, filters, key=_key, fits=fits, ends=ends, ahead=ahead
            ):
                yield page


async def receive_returns(channel: Channel, scan: ReturnsScan | None = None) -> Receipt:
    """Bring into the ERP what happened to returns at eMAG since the last run.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: eMAG could not be asked.
    """
    receipt = Receipt()
    scan = scan or ReturnsScan()
    if scan.broken:
        scan = ReturnsScan()
    clock = await read_clock(channel.engine)
    since = clock.now() if scan.began is None else clock.at(scan.began)
    try:
        async with scan.ahead.at_work():
            async for page in scan.pages(channel):
                await take_returns(channel, page, clock, receipt)
    except FilterIgnoredError as ignored:
        receipt.parked.append(Parked(Kind.RMA, None, str(ignored)))
    for kind in order_types(channel.account, channel.accounts):
        await _receive_placed(channel, kind, scan.ends.longest, clock, receipt)
    await _receive_owed(channel, scan, clock, since - MARGIN, receipt)
    await _receive_refunds(channel, clock, since - MARGIN, receipt)
    await look_for_unnumbered(channel, RETURNS, take_returns, clock, receipt)
    return receipt


async def _receive_placed(
    channel: Channel, kind: int, longest: int, clock: Clock, receipt: Receipt
) -> None:
    """Read what was placed since the cursor, whatever its status, and move the cursor."""
    look = await begin_look(channel, f"returns:{kind}", clock.now(), longest)
    earliest, zone, fits_kind = look.after - TOLERANCE, channel.account.zone, _has(kind)

    def fits(raw: Raw) -> bool:
        placed = to_utc(raw.get("date"), zone)
        return fits_kind(raw) and (placed is None or placed >= earliest)

    try:
        async for page in read_window(
            channel,
            RMA_READ,
            RMA_COUNT,
            {"type": kind},
            look.after,
            None,
            ("date_start", "date_end"),
            _key,
            fits,
            look.ends,
        ):
            known = receipt.changed
            await take_returns(channel, page, clock, receipt)
            if receipt.changed > known:
                look.ends.brought_news()
    except (FilterIgnoredError, IncompleteListingError) as problem:
        receipt.parked.append(Parked(Kind.RMA, None, str(problem)))
    else:
        await end_look(channel, look)


async def _receive_owed(
    channel: Channel, scan: ReturnsScan, clock: Clock, since: datetime, receipt: Receipt
) -> None:
    """Read by their numbers what the ERP is owed and no page showed since then."""
    account = channel.account
    if scan.complete:
        types = order_types(account, channel.accounts)
        await owe_missing(channel.engine, account.platform, account.name, types, since)
    owed = await owed_due(channel.engine, account.platform, account.name, since, MOST_SINGLY)

    await abreast(channel, owed, partial(read_owed, clock, receipt))


async def read_owed(clock: Clock, receipt: Receipt, channel: Channel, owed: Owed) -> None:
    """Read a return by its number and take it; one that can't be had is told of, and rests."""
    missed = await _read_by_number(channel, owed, clock, receipt)
    if missed:
        await _rest(channel, owed, missed, receipt)


async def _receive_refunds(
    channel: Channel, clock: Clock, since: datetime, receipt: Receipt
) -> None:
    """Look for refunds of closed returns, as far as it is time and no page showed them since then.

    What eMAG shows no more, or not now, is nobody's problem: nothing of it is owed to the ERP.
    """
    account = channel.account
    due = await refunds_due(channel.engine, account.platform, account.name, since, MOST_REFUNDS)

    async def read(channel: Channel, each: Owed) -> None:
        if await _read_by_number(channel, each, clock, receipt):
            await look_later(channel.engine, account.platform, each.emag_id)

    await abreast(channel, due, read)


@dataclass(frozen=True, slots=True)
class _Missed:
    """Why a return could not be had; `failed`: eMAG may know it, and could not answer."""

    problem: str
    failed: bool


async def _read_by_number(
    channel: Channel, owed: Owed, clock: Clock, receipt: Receipt
) -> _Missed | None:
    """Read a return, of whichever type, and take it for whose it is; why it could not be had."""
    problem, failed = f"eMAG shows no return {owed.emag_id} any more: look for it there", False
    for kind in dict.fromkeys((owed.type, *TYPES)):
        began = time.monotonic()
        try:
            body = {"emag_id": owed.emag_id, "type": kind}
            rows = await ask(channel, RMA_READ, body, Subject(returns=[owed.emag_id]))
        except ReadRefusedError as refused:
            rows, problem = [], str(refused)
            failed |= isinstance(refused, ReadFailedError)
        found = [raw for raw in rows if emag_id_of(raw) == owed.emag_id]
        if found:
            owner = channel.seeing_to(type_of(found[0]))
            await take_returns(owner, Page(began, found[:1]), clock, receipt)
            return None
    return _Missed(problem, failed)


async def _rest(channel: Channel, owed: Owed, missed: _Missed, receipt: Receipt) -> None:
    """Tell of a return that could not be read, and let it rest; a mere hint is forgotten."""
    engine, platform = channel.engine, channel.account.platform
    if not missed.failed and await forget_return(engine, platform, owed.emag_id):
        return
    receipt.count(Kind.RMA, Brought.PARKED)
    receipt.parked.append(Parked(Kind.RMA, owed.emag_id, missed.problem))
    await rest_return(engine, platform, owed.emag_id, missed.problem, channel.timings)


def _has(kind: int, status: int | None = None) -> Callable[[Raw], bool]:
    """Whether a return has this type and status; what can't be read may have any."""

    def fits(raw: Raw) -> bool:
        own, found = type_of(raw), status_of(raw)
        return own in (kind, None) and (status is None or found in (status, None))

    return fits


def _key(raw: Raw) -> object:
    return row_key(raw, RETURNS.name)
