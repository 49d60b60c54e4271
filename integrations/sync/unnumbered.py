"""Rows without a usable number: noted when a page shows them, and looked for until they have one.

No cursor waits for them. Once noted such a row counts as stored: it is in the inbox, and is found
again by when it was placed, which does not change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from integrations.emag.routes import ORDER_COUNT, ORDER_READ, RMA_COUNT, RMA_READ, Route
from integrations.emag.unnumbered import number_of, placed, read_unnumbered, row_key
from integrations.emag.wire import Raw, WireError, whole_number
from integrations.erp.rows import Kind
from integrations.ledger.clock import MARGIN, Clock
from integrations.ledger.differences import About
from integrations.ledger.unnumbered import Whose, due, forget, note, rest
from integrations.sync.ask import ReadRefusedError
from integrations.sync.channel import Channel
from integrations.sync.drift import note_changed_type
from integrations.sync.listing import FilterIgnoredError, IncompleteListingError
from integrations.sync.page import Page
from integrations.sync.receipt import Parked, Receipt
from integrations.sync.windows import read_window

Take = Callable[[Channel, Page, Clock, Receipt], Awaitable[None]]

# eMAG's times carry no zone: an hour may come twice, or never.
AROUND: Final = timedelta(hours=1)

# By how much a row may lie outside of the window: eMAG has two dates for it.
LEEWAY: Final = timedelta(days=2)

# Windows that one run reads.
MOST_SOUGHT: Final = 20


@dataclass(frozen=True)
class Numbered:
    """A listing whose rows have a number: `name` is its field, `names` the placement's filters."""

    about: About
    kind: Kind
    name: str
    read: Route
    count: Route
    names: tuple[str, str]


ORDERS: Final = Numbered(
    About.ORDER,
    Kind.CANCELLATION,
    "id",
    ORDER_READ,
    ORDER_COUNT,
    ("createdAfter", "createdBefore"),
)
RETURNS: Final = Numbered(
    About.RETURN, Kind.RMA, "emag_id", RMA_READ, RMA_COUNT, ("date_start", "date_end")
)


async def note_unnumbered(
    channel: Channel,
    listing: Numbered,
    rows: Sequence[Raw],
    read_at: datetime,
    receipt: Receipt,
) -> None:
    """Keep a page's rows without a usable number, and tell of those that are new."""
    account, about = channel.account, listing.about.value
    found = [
        read_unnumbered(raw, about, listing.name, account.zone)
        for raw in rows
        if number_of(raw, listing.name) is None
    ]
    if not found:
        return
    whose, kind = _whose(channel, listing), account.order_type
    new = await note(channel.engine, whose, found, kind, read_at, channel.timings)
    for each in found:
        if each.key in new:
            receipt.parked.append(Parked(listing.kind, None, each.problem))
            error = WireError(about, None, listing.name, each.shown)
            await note_changed_type(channel, listing.read, error)


async def look_for_unnumbered(
    channel: Channel, listing: Numbered, take: Take, clock: Clock, receipt: Receipt
) -> None:
    """Read again when those that are due were placed, and take what is there.

    One that eMAG does not show there any more has its number now, or is gone.

    Raises:
        OutageError, BudgetBusyError: eMAG could not be asked.
    """
    engine, whose = channel.engine, _whose(channel, listing)
    looked: list[tuple[int, datetime]] = []
    for sought in await due(engine, whose, MOST_SOUGHT):
        kind, placed_at = sought.type, sought.placed_at
        if any(kind == its and abs(placed_at - at) < AROUND for its, at in looked):
            continue
        looked.append((kind, placed_at))
        window, began = (placed_at - AROUND, placed_at + AROUND), clock.now() - MARGIN
        try:
            async for page in read_window(
                channel,
                listing.read,
                listing.count,
                {"type": kind},
                *window,
                listing.names,
                lambda raw: row_key(raw, listing.name),
                _fits(channel, kind, window),
            ):
                await take(channel, page, clock, receipt)
        except (FilterIgnoredError, IncompleteListingError, ReadRefusedError) as problem:
            receipt.parked.append(Parked(listing.kind, None, str(problem)))
        else:
            await forget(engine, whose, kind, window, began)
        for left in await rest(engine, whose, kind, window, channel.timings):
            receipt.parked.append(Parked(listing.kind, None, left))


def _fits(channel: Channel, kind: int, window: tuple[datetime, datetime]) -> Callable[[Raw], bool]:
    """Whether a row has this type and was placed then; what can't be read may be so."""

    def fits(raw: Raw) -> bool:
        dates = placed(raw, channel.account.zone)
        is_of_then = any(window[0] - LEEWAY <= each <= window[1] + LEEWAY for each in dates)
        return whole_number(raw.get("type")) in (kind, None) and (is_of_then or not dates)

    return fits


def _whose(channel: Channel, listing: Numbered) -> Whose:
    return Whose(listing.about, channel.account.platform, channel.account.name)
