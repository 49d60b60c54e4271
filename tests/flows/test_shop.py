"""What a run stands on."""

from __future__ import annotations

import asyncio

import pytest

from flows.shop import open_channel, open_shop
from integrations.ledger.profile import Profile, write_profile

pytestmark = pytest.mark.usefixtures("configured")


def known(*told: Profile) -> Profile:
    """What a channel knows of eMAG once first contact showed this."""

    async def look() -> Profile:
        async with open_shop("main") as shop:
            for each in told:
                await write_profile(shop.engine, "main", each)
            async with open_channel(shop, shop.accounts[0], 1) as channel:
                return channel.profile

    return asyncio.run(look())


def test_a_channel_knows_what_first_contact_showed() -> None:
    profile = known(Profile(page_cap=7, counts_returns=False))
    assert (profile.page_cap, profile.counts_returns) == (7, False)
    assert profile.measured_at is not None


def test_a_channel_is_open_without_first_contact() -> None:
    assert known() == Profile()
