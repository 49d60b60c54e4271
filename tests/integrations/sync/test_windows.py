"""A window of time in parts that eMAG takes, each read whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.emag.accounts import Account
from integrations.emag.routes import LIMITS, RMA_COUNT, RMA_READ, Bucket, Route
from integrations.emag.wire import Raw
from integrations.ledger.engine import Engine
from integrations.ledger.profile import Profile
from integrations.sandbox.faults import Fault, Faults, Point
from integrations.sandbox.market import Market
from integrations.sync import windows
from integrations.sync.listing import PASSES, Ends, IncompleteListingError
from integrations.sync.windows import SLICE, count, read_window, slices
from tests.end_to_end.conftest import Shop, open_shop

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)


def days(count: float) -> timedelta:
    return timedelta(days=count)


class TestSlices:
    def test_a_short_window_to_now_has_an_open_end(self) -> None:
        assert list(slices(NOW - days(3), None, NOW)) == [(NOW - days(3), None)]

    def test_a_window_that_ends_in_the_past_has_an_end(self) -> None:
        window = (NOW - days(3), NOW - days(1))
        assert list(slices(*window, NOW)) == [window]

    def test_a_window_that_ends_in_the_future_has_an_open_end(self) -> None:
        assert list(slices(NOW - days(3), NOW + days(1), NOW)) == [(NOW - days(3), None)]

    @pytest.mark.parametrize("length", [27, 27.5, 54, 100, 366])
    def test_a_long_window_has_no_gap_and_no_part_that_is_too_long(self, length: float) -> None:
        parts = list(slices(NOW - days(length), None, NOW))
        assert parts[0][0] == NOW - days(length)
        assert [end for _, end in parts[:-1]] == [start for start, _ in parts[1:]]
        assert all((end or NOW) - start <= SLICE for start, end in parts)
        assert parts[-1][1] is None


FIRST = 52_000_001
DAY, WEEK = days(1), days(7)

# Half an hour after the clocks of Bucharest were put forward, and back: an hour came twice.
CLOCK_CHANGES = (
    datetime(2025, 3, 30, 1, 30, tzinfo=UTC),
    datetime(2025, 10, 26, 1, 30, tzinfo=UTC),
)


@pytest.fixture
async def shop(
    database_url: str, market: Market, account: Account, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shop]:
    """A shop at an eMAG that has no request limits."""
    monkeypatch.setitem(LIMITS, Bucket.OTHER, 500.0)
    market.switches = replace(market.switches, limits=False)
    async with open_shop(database_url, market, replace(account, rates={})) as shop:
        yield shop


def stock(shop: Shop, rows: int, ago: timedelta = DAY) -> None:
    """So many returns at eMAG that were placed so long ago; a minute lies between two."""
    placed = datetime.now(UTC) - ago
    taken = len(shop.market.returns)
    shop.market.add_returns(
        {
            "emag_id": FIRST + taken + each,
            "order_id": 1,
            "request_status": 7,
            "date": placed - each * timedelta(minutes=1),
        }
        for each in range(rows)
    )


async def read(
    shop: Shop,
    count_route: Route | None = RMA_COUNT,
    length: timedelta = WEEK,
    ends: Ends | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
    **profile: Any,
) -> Counter[object]:
    """How often each return that was placed lately is shown."""
    found = read_window(
        replace(shop.channel, profile=Profile(**profile)),
        RMA_READ,
        count_route,
        {"type": 3},
        after or datetime.now(UTC) - length,
        before,
        ("date_start", "date_end"),
        _number,
        ends=ends or Ends(),
    )
    return Counter([_number(raw) async for page in found for raw in page.rows])


def _number(raw: Raw) -> object:
    return raw["emag_id"]


def asked(shop: Shop) -> list[str]:
    """The routes that were asked."""
    return [each.route for each in shop.market.journal.requests]


class Growing(Faults):
    """Before each count a return comes to light that was placed a while ago."""

    def __init__(self, shop: Shop) -> None:
        super().__init__()
        self._shop = shop

    def consult(self, point: Point, route: str) -> Fault | None:
        if point == "before_effect" and route == "rma/count":
            stock(self._shop, 1, days(2))
        return super().consult(point, route)


class TestReadingAWindow:
    @pytest.mark.parametrize("cap", [7, 13, 99])
    async def test_of_clipped_pages_shows_every_row_once(self, shop: Shop, cap: int) -> None:
        shop.switch(page_cap=cap)
        stock(shop, 2 * cap)
        found = await read(shop)
        assert (len(found), max(found.values())) == (2 * cap, 1)

    @pytest.mark.parametrize("count_route", [RMA_COUNT, None])
    async def test_of_pages_whose_rows_move_shows_every_row(
        self, shop: Shop, count_route: Route | None
    ) -> None:
        shop.switch(page_shift=True, page_cap=13)
        stock(shop, 60)
        assert len(await read(shop, count_route)) == 60

    async def test_that_is_longer_than_a_month_is_read_in_parts(self, shop: Shop) -> None:
        for month in range(3):
            stock(shop, 3, days(30 * month + 1))
        assert len(await read(shop, length=days(80))) == 9

    async def test_of_one_page_counts_nothing(self, shop: Shop) -> None:
        stock(shop, 12)
        await read(shop)
        assert asked(shop) == ["rma/read", "rma/read"], "the second proves that it was all"
        await read(shop, ends=Ends(cap=100, is_sure=False))
        assert asked(shop)[2:] == ["rma/read"]

    async def test_of_several_pages_is_counted_once(self, shop: Shop) -> None:
        stock(shop, 120)
        await read(shop)
        assert asked(shop) == ["rma/read", "rma/read", "rma/count"]

    async def test_that_nobody_can_count_is_read_until_it_shows_nothing_new(
        self, shop: Shop
    ) -> None:
        stock(shop, 120)
        assert len(await read(shop, counts_returns=False)) == 120
        assert asked(shop) == ["rma/read"] * 4

    async def test_that_shows_fewer_rows_than_there_are_is_said(self, shop: Shop) -> None:
        stock(shop, 150)
        shop.market.faults = Growing(shop)
        with pytest.raises(IncompleteListingError, match=f"where eMAG counts .*, {PASSES} times"):
            await read(shop)

    @pytest.mark.parametrize("end", CLOCK_CHANGES)
    async def test_that_ends_where_clocks_change_shows_all_of_its_last_hour(
        self, shop: Shop, end: datetime
    ) -> None:
        """In autumn a return of 03:45 was placed before one of 03:30 an hour later."""
        ago = [timedelta(minutes=each) for each in (1, 20, 45, 65)]
        for each in ago:
            stock(shop, 1, datetime.now(UTC) - end + each)
        assert len(await read(shop, after=end - WEEK, before=end)) == len(ago)

    async def test_that_ends_now_shows_all_of_an_hour_that_comes_twice(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When 03:30 comes again, returns of 03:45 have been placed, too."""
        now = CLOCK_CHANGES[1]

        async def at_that_time(_: Engine) -> datetime:
            return now

        monkeypatch.setattr(windows, "database_time", at_that_time)
        shop.switch(page_shift=True, page_cap=13)
        stock(shop, 60, datetime.now(UTC) - now)
        assert len(await read(shop, after=now - WEEK)) == 60


class TestCounting:
    async def test_tells_how_many_rows_there_are(self, shop: Shop) -> None:
        stock(shop, 3)
        assert await count(shop.channel, RMA_COUNT, {"type": 3}) == 3

    async def test_that_first_contact_found_impossible_is_not_tried(self, shop: Shop) -> None:
        channel = replace(shop.channel, profile=Profile(counts_returns=False))
        assert await count(channel, RMA_COUNT, {"type": 3}) is None
        assert asked(shop) == []

    async def test_that_emag_refuses_tells_nothing(self, shop: Shop) -> None:
        assert await count(shop.channel, RMA_COUNT, {"type": 9}) is None
