"""What a run stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from flows.health import check_health
from flows.parameters import Direction, HealthParameters, ReconcileParameters, SyncParameters
from flows.reconciliation import reconcile_accounts
from flows.rma import sync_returns
from flows.shop import open_channel, open_shop
from integrations.ledger.database import rolled_back
from integrations.ledger.engine import Engine
from integrations.ledger.profile import Profile, write_profile
from tests.integrations.ledger.mirrored import execute

pytestmark = pytest.mark.usefixtures("configured")


def known(*told: Profile) -> Profile:
    """What a channel knows of eMAG once first contact showed this."""

    async def look() -> Profile:
        async with open_shop("main") as shop:
            for each in told:
                await write_profile(shop.engine, shop.accounts[0].platform, "main", each)
            async with open_channel(shop, shop.accounts[0], 1) as channel:
                return channel.profile

    return asyncio.run(look())


def test_a_channel_knows_what_first_contact_showed() -> None:
    profile = known(Profile(page_cap=7, counts_returns=False))
    assert (profile.page_cap, profile.counts_returns) == (7, False)
    assert profile.measured_at is not None


def test_a_channel_is_open_without_first_contact() -> None:
    assert known() == Profile()


RUNS: Mapping[str, Callable[[], Awaitable[Any]]] = {
    "in": lambda: sync_returns(SyncParameters(direction=Direction.IN)),
    "out": lambda: sync_returns(SyncParameters(direction=Direction.OUT)),
    "health": lambda: check_health(HealthParameters()),
    "reconcile": lambda: reconcile_accounts(ReconcileParameters(recount_minutes=0)),
}

DROP_DAYS = """
    DO $$ DECLARE day regclass; BEGIN
        FOR day IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'app.emag_api_calls'::regclass
        LOOP EXECUTE format('DROP TABLE %s', day); END LOOP;
    END $$
"""
DAYS = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'app.emag_api_calls'::regclass"


@pytest.mark.parametrize("run", RUNS)
async def test_every_run_makes_the_days_in_which_its_requests_are_recorded(
    run: str, engine: Engine
) -> None:
    await execute(engine, DROP_DAYS)
    await RUNS[run]()
    async with rolled_back(engine) as connection:
        assert (await connection.execute(DAYS)).scalar_one() == 9  # yesterday to in a week
