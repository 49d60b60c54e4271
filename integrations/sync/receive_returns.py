"""The way in of returns: eMAG's open ones, those placed lately, and those that were closed.

eMAG says of no return when it changed (API facts: Filters of rma/read). So all open ones are
listed in every run. One that was open before and is not now was refused, cancelled or finalized:
it is read by its number. What is opened and closed between two runs is found by when it was placed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from integrations.emag.accounts import order_types
from integrations.emag.matrices import ReturnStatus
from integrations.emag.return_facts import (
    HIGHEST,
    ReturnFacts,
    emag_id_of,
    finalize_by,
    return_facts,
    status_of,
    type_of,
)
from integrations.emag.return_reasons import ERP_RETURN_REASONS
from integrations.emag.routes import RMA_COUNT, RMA_READ
from integrations.emag.wire import Raw, WireError, to_utc, whole_number
from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Arrived, Brought
from integrations.ledger.calls import Subject
from integrations.ledger.clock import Clock, read_clock
from integrations.ledger.cursors import move_cursor, read_cursor
from integrations.ledger.hints import forget_return
from integrations.ledger.mirror_returns import (
    UNREADABLE,
    Owed,
    Seen,
    Settled,
    Sight,
    owe_missing,
    owed_due,
    rest_return,
    see_returns,
    settle_returns,
)
from integrations.ledger.persist import pause_after
from integrations.sync.abreast import abreast
from integrations.sync.arrive_returns import News, arrive
from integrations.sync.ask import ReadRefusedError, ask
from integrations.sync.channel import Channel
from integrations.sync.drift import note_changed_type
from integrations.sync.listing import FilterIgnoredError, Longest, Page, pages
from integrations.sync.receipt import Parked, Receipt
from integrations.sync.windows import IncompleteWindowError, read_window

# A return goes from one to the next: one that moves while it is looked for is met twice, not never.
OPEN: Final = (
    ReturnStatus.INCOMPLETE,
    ReturnStatus.NEW,
    ReturnStatus.ACKNOWLEDGED,
    ReturnStatus.RECEIVED,
)

FIRST_LOOK: Final = timedelta(hours=24)
OVERLAP: Final = timedelta(hours=3)
MARGIN: Final = timedelta(seconds=0.5)

# By how much a placement date may lie before the window: its time carries no zone.
TOLERANCE: Final = timedelta(hours=2)

MOST_SINGLY = 200

_AGAIN = frozenset({Brought.UNSENT, Brought.OVERTAKEN, Brought.LOCKED, Brought.PARKED})


@dataclass
class ReturnsScan:
    """One scan of an account's open returns; each page is read once, whoever asks for it.

    A run of both directions shares one: it begins when rows of the ERP's are claimed and want
    copies, and what the way out leaves unread the way in reads.

    Attributes:
        complete: all pages are read.
        broken: reading them came to grief; the pages before are good.
    """

    complete: bool = False
    broken: bool = False
    longest: Longest = field(default_factory=Longest)
    _read: list[Page] = field(default_factory=list)
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
                return self._read[number]
            if self.complete or self.broken:
                return None
            if self._listing is None:
                self._listing = _open_returns(channel, self.longest)
            try:
                page = await anext(self._listing)
            except StopAsyncIteration:
                self.complete = True
                return None
            except BaseException:
                self.broken = True
                raise
            self._read.append(page)
            return page


async def _open_returns(channel: Channel, longest: Longest) -> AsyncIterator[Page]:
    for kind in order_types(channel.account, channel.accounts):
        for status in OPEN:
            filters = {"request_status": int(status), "type": kind}
            fits = _has(kind, int(status))
            async for page in pages(
                channel, RMA_READ, filters, key=_key, fits=fits, longest=longest
            ):
                yield page


async def receive_returns(channel: Channel, scan: ReturnsScan | None = None) -> Receipt:
    """Bring into the ERP what happened to returns at eMAG since the last run.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: eMAG could not be asked.
    """
    receipt = Receipt()
    scan = scan or channel.scan or ReturnsScan()
    if scan.broken:
        scan = ReturnsScan()
    clock = await read_clock(channel.engine)
    since = clock.now() if scan.began is None else clock.at(scan.began)
    try:
        async for page in scan.pages(channel):
            await take_returns(channel, page, clock, receipt)
    except FilterIgnoredError as ignored:
        receipt.parked.append(Parked(Kind.RMA, None, str(ignored)))
    for kind in order_types(channel.account, channel.accounts):
        await _receive_placed(channel, kind, clock, receipt)
    await _receive_owed(channel, scan, clock, since - MARGIN, receipt)
    return receipt


async def take_returns(channel: Channel, page: Page, clock: Clock, receipt: Receipt) -> None:
    """Mirror the returns of a page and bring those into the ERP that it is owed."""
    account = channel.account
    read_at = clock.at(page.began) - MARGIN
    looks = {look.emag_id: look for look in _looks(channel, page.rows, receipt)}
    receipt.read += len(page.rows)
    sights = [_sight(channel, look) for look in looks.values()]
    digests = {sight.emag_id: sight.digest for sight in sights}
    seen = await see_returns(channel.engine, account.platform, account.name, read_at, sights)
    receipt.changed += sum(each.changed for each in seen.values())
    news = [
        News(look.facts, look.raw, seen[look.emag_id].changed)
        for look in looks.values()
        if look.emag_id in seen and isinstance(look.facts, ReturnFacts)
    ]
    arrived = await arrive(channel, read_at, news)
    for look in looks.values():
        if look.emag_id in seen:
            await _note_drift(channel, look)
            if isinstance(look.facts, WireError):
                arrived[look.emag_id] = Arrived(Brought.PARKED, problem=str(look.facts))
    settled = []
    for emag_id, each in arrived.items():
        receipt.count(Kind.RMA, each.brought)
        if each.brought is Brought.PARKED:
            receipt.parked.append(Parked(Kind.RMA, emag_id, each.problem or ""))
        closed = status_of(looks[emag_id].raw) not in OPEN
        delay = _delay(channel, seen[emag_id], each, closed=closed)
        owed = each.brought in _AGAIN
        settled.append(Settled(emag_id, digests[emag_id], owed, each.problem, delay))
    await settle_returns(channel.engine, account.platform, settled)


@dataclass(frozen=True, slots=True)
class _Look:
    """A return as it came, and what can be made of it."""

    emag_id: int
    raw: Raw
    facts: ReturnFacts | WireError


def _looks(channel: Channel, rows: Sequence[Raw], receipt: Receipt) -> list[_Look]:
    """The returns that have a number; of the others the receipt tells."""
    looks = []
    for raw in rows:
        emag_id = emag_id_of(raw)
        if emag_id is None:
            reason = "eMAG shows a return without a usable emag_id"
            receipt.parked.append(Parked(Kind.RMA, None, reason))
            continue
        try:
            looks.append(_Look(emag_id, raw, return_facts(raw, channel.account.zone)))
        except WireError as error:
            looks.append(_Look(emag_id, raw, error))
    return looks


def _sight(channel: Channel, look: _Look) -> Sight:
    raw, status = look.raw, status_of(look.raw)
    order_id, kind = whole_number(raw.get("order_id")), type_of(raw)
    return Sight(
        emag_id=look.emag_id,
        type=kind if kind in (2, 3) else channel.account.order_type,
        order_id=order_id if order_id is not None and 0 < order_id <= HIGHEST else None,
        status=UNREADABLE if status is None else status,
        placed_at=to_utc(raw.get("date"), channel.account.zone),
        finalize_by=finalize_by(raw),
        digest=look.facts.digest
        if isinstance(look.facts, ReturnFacts)
        else blake2b(f"{status} {look.facts}".encode(), digest_size=12).hexdigest(),
    )


def _delay(channel: Channel, seen: Seen, arrived: Arrived, *, closed: bool) -> float:
    """Seconds until an owed return is looked at again.

    What waits for the ERP's own decision and can't change any more is not read in every run.
    """
    if arrived.brought is Brought.PARKED:
        return pause_after(seen.attempts, channel.timings)
    if arrived.brought is Brought.UNSENT and closed and not seen.changed:
        return channel.timings.look_again
    return 0.0


async def _note_drift(channel: Channel, look: _Look) -> None:
    """Note what of a return nobody foresaw."""
    facts = look.facts
    if isinstance(facts, WireError):
        await note_changed_type(channel, RMA_READ, facts)
        return
    strange = {f"refund_status {word}": "an unknown word" for word in facts.refund.unknown}
    if facts.refund.apart:
        strange["refund currency"] = "another than the return's"
    if facts.reason is not None and facts.reason not in ERP_RETURN_REASONS:
        strange["return_reason"] = str(facts.reason)
    for name, value in strange.items():
        await note_changed_type(channel, RMA_READ, WireError("return", look.emag_id, name, value))


async def _receive_placed(channel: Channel, kind: int, clock: Clock, receipt: Receipt) -> None:
    """Read what was placed since the cursor, whatever its status, and move the cursor."""
    account, resource = channel.account, f"returns:{kind}"
    cursor = await read_cursor(channel.engine, account.name, resource)
    now = clock.now()
    after = (cursor.position if cursor else now - FIRST_LOOK) - OVERLAP

    fits_kind = _has(kind)

    def fits(raw: Raw) -> bool:
        placed = to_utc(raw.get("date"), account.zone)
        return fits_kind(raw) and (placed is None or placed >= after - TOLERANCE)

    try:
        async for page in read_window(
            channel,
            RMA_READ,
            RMA_COUNT,
            {"type": kind},
            after,
            None,
            ("date_start", "date_end"),
            _key,
            fits,
        ):
            await take_returns(channel, page, clock, receipt)
    except (FilterIgnoredError, IncompleteWindowError) as problem:
        receipt.parked.append(Parked(Kind.RMA, None, str(problem)))
    else:
        await move_cursor(channel.engine, account.name, resource, now)


async def _receive_owed(
    channel: Channel, scan: ReturnsScan, clock: Clock, since: datetime, receipt: Receipt
) -> None:
    """Read by their numbers what the ERP is owed and no page showed since then."""
    account = channel.account
    if scan.complete:
        types = order_types(account, channel.accounts)
        await owe_missing(channel.engine, account.platform, account.name, types, since)
    owed = await owed_due(channel.engine, account.platform, account.name, since, MOST_SINGLY)

    async def read(channel: Channel, each: Owed) -> None:
        await _read_again(channel, each, clock, receipt)

    await abreast(channel, owed, read)


async def _read_again(channel: Channel, owed: Owed, clock: Clock, receipt: Receipt) -> None:
    problem = f"eMAG shows no return {owed.emag_id} any more: look for it there"
    for kind in dict.fromkeys((owed.type, *order_types(channel.account, channel.accounts))):
        began = time.monotonic()
        try:
            body = {"emag_id": owed.emag_id, "type": kind}
            rows = await ask(channel, RMA_READ, body, Subject(returns=[owed.emag_id]))
        except ReadRefusedError as refused:
            rows, problem = [], str(refused)
        found = [raw for raw in rows if emag_id_of(raw) == owed.emag_id]
        if found:
            await take_returns(channel, Page(began, found[:1]), clock, receipt)
            return
    if await forget_return(channel.engine, channel.account.platform, owed.emag_id):
        return
    receipt.count(Kind.RMA, Brought.PARKED)
    receipt.parked.append(Parked(Kind.RMA, owed.emag_id, problem))
    platform, timings = channel.account.platform, channel.timings
    await rest_return(channel.engine, platform, owed.emag_id, problem, timings)


def _has(kind: int, status: int | None = None) -> Callable[[Raw], bool]:
    """Whether a return has this type and status; what can't be read may have any."""

    def fits(raw: Raw) -> bool:
        own, found = type_of(raw), status_of(raw)
        return own in (kind, None) and (status is None or found in (status, None))

    return fits


def _key(raw: Raw) -> object:
    return str(raw.get("emag_id"))
