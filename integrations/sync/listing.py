"""Page through one of eMAG's listings, whatever it does to its pages.

Nothing about a listing can be relied on: rows move between pages while one reads, a page may be
repeated for ever, hold fewer rows than were asked for, or show that a filter was ignored (API
facts: Filters of order/read; Quirks). There is no total, no order and no next page.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.emag.accounts import rate
from integrations.emag.routes import Route
from integrations.emag.wire import Raw
from integrations.ledger.budget import HEADROOM
from integrations.ledger.calls import Subject
from integrations.ledger.instants import Instant
from integrations.ledger.profile import Profile
from integrations.sync.ahead import Ahead
from integrations.sync.ask import ask
from integrations.sync.channel import Channel
from integrations.sync.page import Page

PAGE = 100
MOST_PAGES = 65_535

# So often a listing is read before it counts as incomplete, and so many rows fewer are asked for in
# each page of another reading: what moved from page to page meanwhile is found where pages end
# elsewhere.
PASSES = 4
LESS_A_PASS = 11

# Caps on a page are mostly round numbers: a first page that ends on one may have been clipped.
ROUND = 5

# From this many rows on, a page that mostly holds what was not asked for is no listing of ours.
TELLING = 10


class FilterIgnoredError(Exception):
    """eMAG returned rows that the filter excludes: the listing would be all of its history."""


class IncompleteListingError(Exception):
    """eMAG counts more rows than its pages showed, however often they were read."""


@dataclass
class Ends:
    """What tells the last page of a listing: how many rows a page can hold.

    Attributes:
        longest: the most rows that any page has held just now: one with fewer is its listing's
            last.
        cap: how many rows a page is believed to hold at most, from earlier on.
        is_sure: belief is not enough: unless others were longer, a page is the last only if the
            next one shows nothing new.
        guessed: belief has ended a listing.
    """

    longest: int = 0
    cap: int | None = None
    is_sure: bool = True
    guessed: bool = False

    @classmethod
    def believed(cls, profile: Profile) -> Ends:
        """What first contact showed is believed; where it showed nothing, the first page is."""
        return cls(cap=profile.page_cap, is_sure=False)

    def at(self, rows: int, before: int, size: int) -> bool:
        """Whether a page with so many rows is the last, after some with at most `before` rows."""
        if rows == 0:
            return True
        if rows >= size:
            return False
        if rows < min(self.longest, size):
            return True
        if before or self.is_sure or not self._believes(rows, size):
            return False
        self.guessed = True
        return True

    def saw(self, rows: int) -> None:
        """A page held so many rows."""
        self.longest = max(self.longest, rows)
        if self.cap is not None:
            self.cap = max(self.cap, rows)

    def brought_news(self) -> None:
        """Not all of a page was known: where nobody knows a cap, more may be hidden behind it."""
        self.is_sure |= self.cap is None

    def went_on(self, rows: int, size: int) -> None:
        """Pages held so many rows at most, of the `size` that was asked for, and more followed."""
        if rows < size or self.cap is None:
            self.cap = rows

    def _believes(self, rows: int, size: int) -> bool:
        return rows % ROUND != 0 if self.cap is None else rows < min(self.cap, size)


def size_of(number: int) -> int:
    """How many rows are asked for in a page of the reading of this number, from 0."""
    return PAGE - LESS_A_PASS * number


async def pages(
    channel: Channel,
    route: Route,
    filters: Mapping[str, Any],
    *,
    key: Callable[[Raw], object],
    fits: Callable[[Raw], bool] = lambda _: True,
    size: int = PAGE,
    ends: Ends | None = None,
    ahead: Ahead[Page] | None = None,
) -> AsyncIterator[Page]:
    """The pages of a listing up to its end; each row once, and only rows that fit the filters.

    Args:
        key: what tells one row from another.
        fits: whether a row is one that was asked for.
        size: rows asked for in a page.
        ends: what tells the last page, kept over listings of one account; without it, what is
            believed tells it.
        ahead: asks for pages before it is their turn, where the end is sure; for who takes all of
            them.

    Raises:
        FilterIgnoredError: most of a page does not fit.
        OutageError, BudgetBusyError, ReadRefusedError: as `ask`.
    """
    ends = Ends.believed(channel.profile) if ends is None else ends
    ahead = ahead or Ahead()

    async def read(number: int) -> Page:
        began, waited = Instant.now(), channel.tally.waits[route.bucket]
        body = {**filters, "currentPage": number, "itemsPerPage": size}
        page = Page(began, await ask(channel, route, body, Subject()))
        waited = channel.tally.waits[route.bucket] - waited  # what others waited is too much
        ahead.took(
            time.monotonic() - began.monotonic - waited, HEADROOM / rate(channel.account, route)
        )
        return page

    seen: set[object] = set()
    most = 0
    try:
        for number in range(1, MOST_PAGES + 1):
            page = await ahead.page(number, read)
            found = page.rows
            fresh = {key(raw): raw for raw in found if key(raw) not in seen}
            fitting = [raw for raw in fresh.values() if fits(raw)]
            check_filter(route, filters, len(found), sum(map(fits, found)))
            if found and not fresh:
                return
            if fresh and most:
                ends.went_on(most, size)
            if ends.is_sure and not ends.at(len(found), most, size):
                ahead.go_on(number, max(most, len(found)), read)
            yield Page(page.began, fitting)
            is_last = ends.at(len(found), most, size)
            ends.saw(len(found))
            if is_last:
                return
            most = max(most, len(found))
            seen |= fresh.keys()
    finally:
        await ahead.settle()


def check_filter(route: Route, filters: Mapping[str, Any], rows: int, fitting: int) -> None:
    """Raise FilterIgnoredError if most of a page's rows do not fit the filters."""
    if rows >= TELLING and fitting * 2 < rows:
        raise FilterIgnoredError(
            f"{route.path} ignored its filter {', '.join(sorted(filters))}:"
            f" {rows - fitting} of {rows} rows are others"
        )
