"""What an account's history consists of, and how a slice of each part is read and stored.

Pages of a listing are read at once: one after the other they could not use the request limit up,
since eMAG takes a while to answer. How many there are is counted first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from integrations.emag.accounts import WHOSE, order_types
from integrations.emag.routes import ORDER_COUNT, ORDER_READ, RMA_COUNT, RMA_READ, Bucket, Route
from integrations.emag.wire import Raw, whole_number
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.calls import Subject
from integrations.ledger.clock import Clock
from integrations.ledger.database import database_time
from integrations.ledger.instants import Instant
from integrations.ledger.issued import Source
from integrations.sync.abreast import abreast
from integrations.sync.ask import ask
from integrations.sync.channel import Channel
from integrations.sync.listing import PASSES, Ends, IncompleteListingError, check_filter, size_of
from integrations.sync.mirror import ROUTES, issued_pages, store_page
from integrations.sync.page import Page
from integrations.sync.past import Slice, lies_in, window
from integrations.sync.receipt import Receipt
from integrations.sync.receive_orders import take_orders
from integrations.sync.take_returns import take_returns
from integrations.sync.windows import count, read_whole

# So often a request waits for the budget anew: work in the background is never in a hurry.
PATIENCE = 30

Put = Callable[[Page], Awaitable[None]]
Expect = Callable[[int], None]
Read = Callable[["Reading"], Awaitable[None]]
Take = Callable[[Channel, Page, Clock, Receipt], Awaitable[None]]


@dataclass(frozen=True)
class Stream:
    """A part of the history: where it is read, and what becomes of its pages.

    Attributes:
        name: as in "orders:3", the orders of type 3.
        called: the same for a person.
    """

    name: str
    called: str
    bucket: Bucket
    read: Read
    take: Take


@dataclass(frozen=True)
class Reading:
    """How one slice is read.

    Attributes:
        readers: lets so many pages be read at once.
        put: takes a page that was read.
        expect: is told how many rows there are.
    """

    channel: Channel
    part: Slice
    readers: asyncio.Semaphore
    put: Put
    expect: Expect


@dataclass(frozen=True)
class _Listing:
    route: Route
    count_route: Route
    kind: int
    names: tuple[str, str]
    key: str
    placed: str


_ORDERS = (ORDER_READ, ORDER_COUNT, ("createdAfter", "createdBefore"), "id", "created")
_RETURNS = (RMA_READ, RMA_COUNT, ("date_start", "date_end"), "emag_id", "date")
_INVOICES = {Source.CUSTOMER: "invoices to customers", Source.OWN: "eMAG's own invoices"}


def streams(channel: Channel) -> list[Stream]:
    """Everything that the account's history consists of."""
    types = order_types(channel.account, channel.accounts)
    return [
        *(_listing("orders", kind, _ORDERS, take_orders) for kind in types),
        *(_listing("returns", kind, _RETURNS, take_returns) for kind in types),
        *(_invoices(source) for source in Source),
    ]


def _listing(what: str, kind: int, listing: Any, take: Take) -> Stream:
    route, count_route, names, key, placed = listing
    read = partial(_read_listing, _Listing(route, count_route, kind, names, key, placed))
    return Stream(f"{what}:{kind}", f"{what}, {WHOSE[kind]}", route.bucket, read, take)


def _invoices(source: Source) -> Stream:
    async def take(channel: Channel, page: Page, _: Clock, receipt: Receipt) -> None:
        await store_page(channel, source, page)
        receipt.read += len(page.rows)

    async def read(reading: Reading) -> None:
        zone = reading.channel.account.zone
        first, last = (
            each.astimezone(zone).date() for each in (reading.part.start, reading.part.end)
        )
        async for page in issued_pages(reading.channel, source, first, last):
            await reading.put(page)

    return Stream(source.value, _INVOICES[source], ROUTES[source].bucket, read, take)


async def _read_listing(listing: _Listing, reading: Reading) -> None:
    """Give away every row of a slice once, in pages.

    Raises:
        IncompleteListingError: rows are missing, however often the pages were read.
        FilterIgnoredError: the listing holds what was not asked for.
        OutageError, BudgetBusyError, ReadRefusedError: as `ask`.
    """
    channel, zone = reading.channel, reading.channel.account.zone
    now = await database_time(channel.engine)
    filters = {"type": listing.kind, **window(reading.part, listing.names, zone, now)}
    count_filters = _with_both_ends(listing, reading, filters, now)
    seen: set[str] = set()
    expected = 0
    for number in range(PASSES):
        counted = await count(channel, listing.count_route, count_filters, _ask)
        if counted is None:
            await _read_uncounted(listing, reading, filters)
            return
        if not expected:
            reading.expect(counted)
        expected = counted
        if len(seen) < expected:
            sized = {**filters, "itemsPerPage": size_of(number)}
            await _read_pages(listing, reading, sized, expected, seen)
        if len(seen) >= expected:
            return
    raise IncompleteListingError(
        f"{listing.route.path} showed {len(seen)} rows where eMAG counts {expected}"
    )


async def _read_pages(
    listing: _Listing, reading: Reading, filters: Mapping[str, Any], rows: int, seen: set[str]
) -> None:
    """All pages of a listing of so many rows; what was `seen` is not given away again."""
    fits = _fitting(listing, reading)

    async def read(_: Channel, number: int) -> int:
        body = {**filters, "currentPage": number}
        began = Instant.now()
        found = await _ask(reading.channel, listing.route, body, Subject())
        fitting = [raw for raw in found if fits(raw)]
        check_filter(listing.route, filters, len(found), len(fitting))
        fresh = [raw for raw in fitting if str(raw.get(listing.key)) not in seen]
        seen.update(str(raw.get(listing.key)) for raw in found)
        if fresh:
            await reading.put(Page(began, fresh))
        return len(found)

    async def read_in_turn(channel: Channel, number: int) -> None:
        async with reading.readers:
            await read(channel, number)

    # A page may be clipped without a word: the first one shows how many rows one really holds.
    size = await read(reading.channel, 1)
    last = -(-rows // size) if size else 1
    await abreast(reading.channel, range(2, last + 1), read_in_turn)


async def _read_uncounted(listing: _Listing, reading: Reading, filters: Mapping[str, Any]) -> None:
    """All pages of a listing, one after the other, where eMAG does not say how many there are."""
    channel, fits = reading.channel, _fitting(listing, reading)

    def key(raw: Raw) -> object:
        return str(raw.get(listing.key))

    ends = Ends(cap=channel.profile.page_cap)
    async for page in read_whole(channel, listing.route, None, filters, {}, key, fits, ends):
        await reading.put(page)


def _with_both_ends(
    listing: _Listing, reading: Reading, filters: Mapping[str, Any], now: datetime
) -> Mapping[str, Any]:
    """The filters of a count, which wants both ends."""
    part, zone = reading.part, reading.channel.account.zone
    closed = Slice(part.start, min(part.end, now))
    return {**filters, **window(closed, listing.names, zone, now)}


async def _ask(
    channel: Channel, route: Route, body: Mapping[str, Any], subject: Subject
) -> list[Raw]:
    """The rows of a read, however long others keep the request budget to themselves."""
    for _ in range(PATIENCE):
        try:
            return await ask(channel, route, body, subject)
        except BudgetBusyError:
            continue
    return await ask(channel, route, body, subject)


def _fitting(listing: _Listing, reading: Reading) -> Callable[[Raw], bool]:
    """Whether a row is of the listing's type and lies in the slice; what can't be read may be."""
    part, zone = reading.part, reading.channel.account.zone

    def fits(raw: Raw) -> bool:
        kind = whole_number(raw.get("type"))
        return kind in (listing.kind, None) and lies_in(part, raw.get(listing.placed), zone)

    return fits
