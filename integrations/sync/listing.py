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

from integrations.emag.routes import Route
from integrations.emag.wire import Raw
from integrations.ledger.calls import Subject
from integrations.sync.ask import ask
from integrations.sync.channel import Channel

PAGE = 100
MOST_PAGES = 65_535

# Caps on a page are round numbers: a first page that ends on one may have been clipped.
ROUND = 5

# From this many rows on, a page that mostly holds what was not asked for is no listing of ours.
TELLING = 10


class FilterIgnoredError(Exception):
    """eMAG returned rows that the filter excludes: the listing would be all of its history."""


@dataclass(frozen=True)
class Page:
    """The new rows of one page, and when its read began on this process's monotonic clock."""

    began: float
    rows: list[Raw]


@dataclass
class Longest:
    """The most rows that any page of several listings held: a page with fewer ends its listing."""

    rows: int = 0


async def pages(
    channel: Channel,
    route: Route,
    filters: Mapping[str, Any],
    *,
    key: Callable[[Raw], object],
    fits: Callable[[Raw], bool] = lambda _: True,
    size: int = PAGE,
    longest: Longest | None = None,
) -> AsyncIterator[Page]:
    """The pages of a listing up to its end; each row once, and only rows that fit the filters.

    Args:
        key: what tells one row from another.
        fits: whether a row is one that was asked for.
        size: rows asked for in a page.
        longest: kept over listings that are cut alike. With it, a first page that is not shorter
            than others never counts as the last, whatever its length.

    Raises:
        FilterIgnoredError: most of a page does not fit.
        OutageError, BudgetBusyError, ReadRefusedError: as `ask`.
    """
    seen: set[object] = set()
    most = longest.rows if longest else 0
    for number in range(1, MOST_PAGES + 1):
        began = time.monotonic()
        body = {**filters, "currentPage": number, "itemsPerPage": size}
        found = await ask(channel, route, body, Subject())
        fresh = {key(raw): raw for raw in found if key(raw) not in seen}
        fitting = [raw for raw in fresh.values() if fits(raw)]
        _check_filter(route, filters, len(found), sum(map(fits, found)))
        if found and not fresh:
            return
        yield Page(began, fitting)
        if _is_last(len(found), most, size, may_be_cut=longest is not None):
            return
        most = max(most, len(found))
        if longest:
            longest.rows = max(longest.rows, most)
        seen |= fresh.keys()


def _is_last(rows: int, most: int, size: int, *, may_be_cut: bool) -> bool:
    """Whether a page with so many rows ends the listing, after pages of at most `most` rows."""
    if rows == 0:
        return True
    if most:
        return rows < most
    return rows < size and rows % ROUND != 0 and not may_be_cut


def _check_filter(route: Route, filters: Mapping[str, Any], rows: int, fitting: int) -> None:
    if rows >= TELLING and fitting * 2 < rows:
        raise FilterIgnoredError(
            f"{route.path} ignored its filter {', '.join(sorted(filters))}:"
            f" {rows - fitting} of {rows} rows are others"
        )
