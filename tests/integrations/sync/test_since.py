"""From when on a listing is read, and when its end is proved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from integrations.emag.accounts import Account
from integrations.ledger.profile import Profile
from integrations.sandbox.market import Market
from integrations.sync.channel import Channel
from integrations.sync.since import BELIEVED, FIRST_LOOK, OVERLAP, Look, begin_look, end_look
from tests.end_to_end.conftest import open_shop

# No cursor moves past the database's present.
NOW = datetime.now(UTC) - timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def channel(database_url: str, market: Market, account: Account) -> AsyncIterator[Channel]:
    """An account's channel that has looked at nothing yet."""
    async with open_shop(database_url, market, account) as shop:
        yield shop.channel


async def look(channel: Channel, now: datetime, *, guesses: bool = False) -> Look:
    """One look that stored everything; `guesses` says that it believed a short page."""
    begun = await begin_look(channel, "orders:3", now)
    begun.ends.guessed = guesses and not begun.ends.is_sure
    await end_look(channel, begun)
    return begun


def knowing(channel: Channel, cap: int | None, measured_at: datetime) -> Channel:
    return replace(channel, profile=Profile(page_cap=cap, measured_at=measured_at))


async def test_the_first_look_goes_a_day_back_and_is_sure(channel: Channel) -> None:
    first = await look(channel, NOW)
    assert (first.after, first.ends.is_sure) == (NOW - FIRST_LOOK - OVERLAP, True)


async def test_the_next_one_overlaps_it_and_believes(channel: Channel) -> None:
    await look(channel, NOW)
    second = await look(channel, NOW + 5 * MINUTE)
    assert (second.after, second.ends.is_sure) == (NOW - OVERLAP, False)


async def test_after_an_hour_of_belief_the_end_is_proved_from_where_it_was(
    channel: Channel,
) -> None:
    await look(channel, NOW)
    for minutes in range(5, 60, 5):
        believing = await look(channel, NOW + minutes * MINUTE, guesses=True)
        assert not believing.ends.is_sure
    sure = await look(channel, NOW + BELIEVED)
    assert (sure.ends.is_sure, sure.after) == (True, NOW - OVERLAP)
    assert (await look(channel, NOW + BELIEVED + MINUTE)).after == NOW + BELIEVED - OVERLAP


async def test_what_needed_no_belief_is_proved_as_well(channel: Channel) -> None:
    await look(channel, NOW)
    await look(channel, NOW + 50 * MINUTE)
    assert not (await look(channel, NOW + 100 * MINUTE)).ends.is_sure


async def test_a_look_that_is_not_ended_moves_nothing(channel: Channel) -> None:
    await look(channel, NOW)
    await begin_look(channel, "orders:3", NOW + 30 * MINUTE)
    assert (await look(channel, NOW + 40 * MINUTE)).after == NOW - OVERLAP


async def test_what_first_contact_measured_just_now_is_believed(channel: Channel) -> None:
    first = await look(knowing(channel, 7, NOW - MINUTE), NOW, guesses=True)
    assert (first.ends.cap, first.ends.is_sure) == (7, False)
    later = await look(knowing(channel, 7, NOW - MINUTE), NOW + BELIEVED)
    assert later.ends.is_sure
    assert later.after == NOW - FIRST_LOOK - OVERLAP


@pytest.mark.parametrize(("cap", "ago"), [(7, timedelta(days=30)), (None, MINUTE)])
async def test_what_it_measured_long_ago_or_not_at_all_is_not(
    channel: Channel, cap: int | None, ago: timedelta
) -> None:
    assert (await look(knowing(channel, cap, NOW - ago), NOW)).ends.is_sure


async def test_what_the_listing_itself_showed_counts_more(channel: Channel) -> None:
    first = await begin_look(knowing(channel, 100, NOW), "orders:3", NOW)
    first.ends.went_on(7, size=100)
    await end_look(channel, first)
    second = await look(knowing(channel, 100, NOW), NOW + MINUTE)
    assert second.ends.cap == 7
