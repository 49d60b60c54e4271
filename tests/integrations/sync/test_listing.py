"""Paging through a listing of eMAG's up to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from integrations.emag.accounts import Account
from integrations.emag.routes import LIMITS, ORDER_READ, Bucket
from integrations.emag.wire import Raw
from integrations.ledger.profile import Profile
from integrations.sandbox.market import Market
from integrations.sync.ahead import FARTHEST, MOST, Ahead
from integrations.sync.listing import PASSES, Ends, FilterIgnoredError, check_filter, pages, size_of
from integrations.sync.page import Page
from tests.end_to_end.conftest import Shop, open_shop

FIRST = 480_000_101


@pytest.fixture
async def shop(
    database_url: str, market: Market, account: Account, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shop]:
    """A shop at an eMAG that has no request limits."""
    monkeypatch.setitem(LIMITS, Bucket.ORDERS, 500.0)
    market.switches = replace(market.switches, limits=False)
    async with open_shop(database_url, market, replace(account, rates={})) as shop:
        yield shop


def stock(shop: Shop, rows: int, **switches: object) -> set[int]:
    """So many orders at eMAG; their numbers."""
    shop.switch(**switches)
    shop.market.add_orders({"id": FIRST + each, "status": 2} for each in range(rows))
    return {FIRST + each for each in range(rows)}


def number(raw: Raw) -> object:
    return raw["id"]


async def read(shop: Shop, ends: Ends | None = None, *, cap: int | None = None) -> list[object]:
    """The numbers that the pages show, where first contact measured this cap."""
    channel = replace(shop.channel, profile=Profile(page_cap=cap))
    found = pages(channel, ORDER_READ, {"type": 3}, key=number, ends=ends)
    return [number(raw) async for page in found for raw in page.rows]


def asked(shop: Shop) -> int:
    return len(shop.market.journal.requests)


class TestTheEnd:
    @pytest.mark.parametrize(
        ("cap", "rows"), [(1, 3), (7, 0), (7, 1), (7, 7), (7, 20), (13, 26), (99, 100), (100, 101)]
    )
    async def test_is_found_whatever_a_page_is_clipped_to(
        self, shop: Shop, cap: int, rows: int
    ) -> None:
        there = stock(shop, rows, page_cap=cap)
        found = await read(shop, Ends())
        assert (len(found), set(found)) == (rows, there)

    async def test_is_found_where_the_last_page_comes_again_for_ever(self, shop: Shop) -> None:
        there = stock(shop, 21, page_cap=7, repeat_last_page=True)
        assert set(await read(shop, Ends())) == there

    @pytest.mark.parametrize(("rows", "requests"), [(0, 1), (3, 1), (7, 2), (20, 3), (21, 4)])
    async def test_takes_the_fewest_requests_where_the_cap_is_believed(
        self, shop: Shop, rows: int, requests: int
    ) -> None:
        there = stock(shop, rows, page_cap=7)
        assert set(await read(shop, cap=7)) == there
        assert asked(shop) == requests

    @pytest.mark.parametrize(("rows", "requests"), [(0, 1), (3, 1), (10, 2), (120, 2)])
    async def test_is_told_by_a_short_page_where_nothing_else_is_known(
        self, shop: Shop, rows: int, requests: int
    ) -> None:
        there = stock(shop, rows)
        assert set(await read(shop)) == there
        assert asked(shop) == requests

    async def test_is_not_believed_to_be_where_a_wrong_cap_is_exceeded(self, shop: Shop) -> None:
        there = stock(shop, 150)
        assert set(await read(shop, cap=7)) == there

    async def test_is_proved_where_the_cap_that_is_believed_is_no_longer_true(
        self, shop: Shop
    ) -> None:
        there = stock(shop, 20, page_cap=7)
        ends = Ends(cap=100)
        assert set(await read(shop, ends)) == there
        assert (ends.cap, ends.guessed) == (7, False)

    async def test_of_a_guess_is_known_to_be_one(self, shop: Shop) -> None:
        stock(shop, 20, page_cap=7)
        ends = Ends(cap=100, is_sure=False)
        assert len(await read(shop, ends)) == 7
        assert ends.guessed


async def read_ahead(shop: Shop, lately: int) -> list[object]:
    """The numbers that the pages show to who asks ahead, where the listing held so many lately."""
    ahead = Ahead[Page](lately, MOST)
    found = pages(shop.channel, ORDER_READ, {"type": 3}, key=number, ends=Ends(), ahead=ahead)
    async with ahead.at_work():
        return [number(raw) async for page in found for raw in page.rows]


class TestAskingAhead:
    @pytest.mark.parametrize("cap", [1, 7, 13, 100])
    @pytest.mark.parametrize("rows", [0, 1, 20, 91, 130])
    async def test_shows_the_same_for_as_many_requests(
        self, shop: Shop, cap: int, rows: int
    ) -> None:
        stock(shop, rows, page_cap=cap)
        one_by_one = await read(shop, Ends())
        before = asked(shop)
        assert await read_ahead(shop, rows) == one_by_one
        assert asked(shop) == 2 * before

    @pytest.mark.parametrize("left", [70, 69, 63, 57])
    async def test_costs_nothing_where_no_more_than_a_page_of_rows_has_left(
        self, shop: Shop, left: int
    ) -> None:
        there = stock(shop, left, page_cap=7)
        await read(shop, Ends())
        before = asked(shop)
        assert set(await read_ahead(shop, left + 7)) == there
        assert asked(shop) == 2 * before

    async def test_costs_a_few_requests_at_most_where_most_rows_have_left(self, shop: Shop) -> None:
        there = stock(shop, 20, page_cap=7)
        assert set(await read_ahead(shop, 10_000)) == there
        assert asked(shop) <= 3 + FARTHEST

    async def test_finds_the_end_where_the_last_page_comes_again_for_ever(self, shop: Shop) -> None:
        there = stock(shop, 21, page_cap=7, repeat_last_page=True)
        assert set(await read_ahead(shop, 10_000)) == there

    async def test_goes_on_while_a_page_is_being_taken(self, shop: Shop) -> None:
        stock(shop, 200, page_cap=7)
        ahead = Ahead[Page](200)
        found = pages(shop.channel, ORDER_READ, {"type": 3}, key=number, ends=Ends(), ahead=ahead)
        async with ahead.at_work():
            await anext(found)
            async with asyncio.timeout(20):
                while asked(shop) < 1 + FARTHEST:  # noqa: ASYNC110 - the marketplace tells nobody
                    await asyncio.sleep(0.01)
        assert asked(shop) == 1 + FARTHEST

    async def test_of_a_listing_of_other_rows_asks_for_one_page(self, shop: Shop) -> None:
        stock(shop, 60, ignored_filters=frozenset({"id"}))
        ahead = Ahead[Page](60)
        found = pages(
            shop.channel,
            ORDER_READ,
            {"id": 1},
            key=number,
            fits=lambda raw: number(raw) == 1,
            ends=Ends(),
            ahead=ahead,
        )
        async with ahead.at_work():
            with pytest.raises(FilterIgnoredError):
                await anext(found)
        assert asked(shop) == 1


DECISIONS = {
    "an empty page": (Ends(), 0, 0, True),
    "a full page": (Ends(cap=7, is_sure=False), 100, 0, False),
    "shorter than one of the same listing": (Ends(longest=7), 6, 7, True),
    "as long as one of the same listing": (Ends(longest=7, is_sure=False), 7, 7, False),
    "shorter than one of another listing": (Ends(longest=40), 39, 0, True),
    "the longest yet, to be sure": (Ends(longest=7, cap=100), 7, 0, False),
    "the longest yet, believed": (Ends(longest=7, cap=100, is_sure=False), 7, 0, True),
    "as long as the cap": (Ends(cap=7, is_sure=False), 7, 0, False),
    "odd, where no cap is known": (Ends(is_sure=False), 13, 0, True),
    "round, where no cap is known": (Ends(is_sure=False), 15, 0, False),
}


@pytest.mark.parametrize("page", DECISIONS)
def test_whether_a_page_is_the_last(page: str) -> None:
    ends, rows, before, is_last = DECISIONS[page]
    assert ends.at(rows, before, size=100) is is_last


def test_a_page_of_a_smaller_size_is_not_short_because_others_were_larger() -> None:
    assert not Ends(longest=100, cap=100, is_sure=False).at(89, 0, size=89)
    assert not Ends(longest=100).at(89, 89, size=89)


def test_what_a_page_holds_is_learnt_from_those_that_more_followed() -> None:
    ends = Ends()
    ends.went_on(100, size=100)
    assert ends.cap == 100
    ends.went_on(13, size=100)
    assert ends.cap == 13
    ends.saw(60)
    assert ends.cap == 60
    ends.went_on(89, size=89)
    assert ends.cap == 60


async def test_a_row_that_was_not_asked_for_is_left_out(shop: Shop) -> None:
    stock(shop, 5)
    found = pages(shop.channel, ORDER_READ, {}, key=number, fits=lambda raw: number(raw) != FIRST)
    assert [len(page.rows) async for page in found] == [4, 0]


async def test_a_listing_of_other_rows_is_none(shop: Shop) -> None:
    stock(shop, 12, ignored_filters=frozenset({"id"}))
    found = pages(
        shop.channel, ORDER_READ, {"id": 1}, key=number, fits=lambda raw: number(raw) == 1
    )
    with pytest.raises(FilterIgnoredError, match="order/read ignored its filter id: 12 of 12"):
        await anext(found)


@pytest.mark.parametrize(("rows", "fitting"), [(9, 0), (10, 5), (100, 51)])
def test_a_few_strange_rows_say_nothing_against_a_filter(rows: int, fitting: int) -> None:
    check_filter(ORDER_READ, {"type": 3}, rows, fitting)


def test_each_reading_asks_for_other_pages() -> None:
    sizes = [size_of(number) for number in range(PASSES)]
    assert sizes[0] == 100
    assert sorted(set(sizes), reverse=True) == sizes
    assert sizes[-1] > 50
