"""Read all of a listing that lies in a window of time, and know that nothing of it is missing.

eMAG takes a month at most in one question, has no totals in its pages and moves rows between them
(API facts: Filters of order/read; Quirks). So a long window is read in slices, and where a slice
fills more than one page, the rows are counted afterwards.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from integrations.emag.routes import RMA_COUNT, Route
from integrations.emag.wire import Raw, open_end, to_local, whole_number
from integrations.ledger.calls import Subject
from integrations.ledger.database import database_time
from integrations.sync.ask import ReadRefusedError, ask
from integrations.sync.channel import Channel
from integrations.sync.listing import PASSES, Ends, IncompleteListingError, pages, size_of
from integrations.sync.page import Page

SLICE = timedelta(days=27)

# A slice's end is asked for this much later: of an hour that comes twice, both are meant.
CLOCK_CHANGE = timedelta(hours=1)

Ask = Callable[[Channel, Route, Mapping[str, Any], Subject], Awaitable[list[Raw]]]


async def read_window(
    channel: Channel,
    route: Route,
    count_route: Route | None,
    filters: Mapping[str, Any],
    after: datetime,
    before: datetime | None,
    names: tuple[str, str],
    key: Callable[[Raw], object],
    fits: Callable[[Raw], bool] = lambda _: True,
    ends: Ends | None = None,
) -> AsyncIterator[Page]:
    """All rows from `after` to `before` (None: to now) by pages; the same row can come again.

    Args:
        count_route: the count of the listing; without one, pages are read until none shows more.
        filters: what is asked for besides the window.
        names: the filters for the window's beginning and end.
        key: what tells one row from another.
        fits: whether a row is one that was asked for.
        ends: what tells the last page of a slice; without it, as by `pages`.

    Raises:
        IncompleteListingError: rows are missing however often the pages were read.
        FilterIgnoredError: as `pages`.
        OutageError, BudgetBusyError, ReadRefusedError: as `ask`.
    """
    ends = Ends.believed(channel.profile) if ends is None else ends
    now = await database_time(channel.engine)
    zone = channel.account.zone
    for start, end in slices(after, before, now):
        asked = {**filters, names[0]: to_local(start, zone)}
        if end is not None:
            asked[names[1]] = to_local(end + CLOCK_CHANGE, zone)
        elif (present := open_end(now, zone)) is not None:
            asked[names[1]] = present
        # Rows that come in while one reads would never let a count fit.
        counted = {names[1]: to_local(now, zone), **asked}
        async for page in read_whole(channel, route, count_route, asked, counted, key, fits, ends):
            yield page
        now = await database_time(channel.engine)


def slices(
    after: datetime, before: datetime | None, now: datetime
) -> Iterator[tuple[datetime, datetime | None]]:
    """The window in parts that eMAG takes; an end is None where it lies not in the past."""
    last = min(before or now, now)
    start = after
    while last - start > SLICE:
        yield start, start + SLICE
        start += SLICE
    yield start, before if before is not None and before <= now else None


async def read_whole(
    channel: Channel,
    route: Route,
    count_route: Route | None,
    asked: Mapping[str, Any],
    counted: Mapping[str, Any],
    key: Callable[[Raw], object],
    fits: Callable[[Raw], bool],
    ends: Ends,
) -> AsyncIterator[Page]:
    """All rows of one listing by pages, each row once.

    Args:
        count_route, key, fits, ends: as for `read_window`.
        asked, counted: the filters of the listing and of its count.

    Raises the same as `read_window`.
    """
    seen: set[object] = set()
    expected: int | None = None
    for number in range(PASSES):
        known, filled, size = len(seen), 0, size_of(number)
        async for page in pages(channel, route, asked, key=key, fits=fits, size=size, ends=ends):
            filled += bool(page.rows)
            fresh = [raw for raw in page.rows if key(raw) not in seen]
            seen.update(map(key, fresh))
            if fresh or not known:
                yield Page(page.began, fresh)
        if filled <= 1 and not known:
            return
        expected = await count(channel, count_route, counted) if count_route else None
        if len(seen) >= expected if expected is not None else known == len(seen):
            return
    if expected is not None:
        raise IncompleteListingError(
            f"{route.path} showed {len(seen)} rows where eMAG counts {expected}, {PASSES} times"
        )
    raise IncompleteListingError(f"{route.path} showed other rows each of {PASSES} times")


async def count(
    channel: Channel, route: Route, filters: Mapping[str, Any], ask: Ask = ask
) -> int | None:
    """How many rows eMAG counts; None where it gives no number, or is known to count nothing."""
    if route is RMA_COUNT and channel.profile.counts_returns is False:
        return None
    try:
        [answer, *_] = await ask(channel, route, filters, Subject()) or [{}]
    except ReadRefusedError:
        return None
    return whole_number(answer.get("noOfItems"))
