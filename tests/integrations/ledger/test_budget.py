"""The request budget: evenly spaced instants, shared by everyone who uses the database."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.emag.accounts import Account
from integrations.emag.routes import CUSTOMER_INVOICE_READ, ORDER_READ, ORDER_SAVE, RMA_READ, Family
from integrations.ledger.budget import (
    HEADROOM,
    BudgetBusyError,
    EmagDownError,
    Slot,
    mark_down,
    mark_up,
    push_back,
    reserve,
)

GAP = HEADROOM / 12


@pytest.fixture
def account(account: Account) -> Account:
    """An account that wants all that eMAG allows."""
    return replace(account, rates={})


async def instants(engine: AsyncEngine, account: Account, count: int) -> list[float]:
    slots = await asyncio.gather(
        *(reserve(engine, account, ORDER_READ, longest=60.0) for _ in range(count))
    )
    return sorted(slot.at for slot in slots)


async def test_concurrent_callers_get_instants_one_gap_apart(
    engine: AsyncEngine, account: Account
) -> None:
    at = await instants(engine, account, 20)
    # Two answers may have taken differently long on their way back, but not a whole gap.
    assert at[-1] - at[0] == pytest.approx(19 * GAP, abs=GAP)


async def test_no_window_of_a_second_holds_more_slots_than_the_limit(
    engine: AsyncEngine, account: Account
) -> None:
    await instants(engine, account, 30)
    async with engine.connect() as connection:
        ahead = await connection.scalar(
            text(
                "SELECT extract(epoch FROM next_free_at - clock_timestamp())::float8"
                " FROM app.emag_rate_limits WHERE bucket = 'orders'"
            )
        )
    assert ahead is not None
    assert ahead > 28 * GAP - 1.0


async def test_reads_and_writes_of_orders_share_a_bucket_that_returns_do_not_touch(
    engine: AsyncEngine, account: Account
) -> None:
    for _ in range(5):
        await reserve(engine, account, ORDER_SAVE, longest=60.0)
    orders = await reserve(engine, account, ORDER_READ, longest=60.0)
    returns = await reserve(engine, account, RMA_READ, longest=60.0)
    assert orders.waited > 3 * GAP > returns.waited


async def test_two_accounts_of_one_login_share_the_budget(
    engine: AsyncEngine, account: Account
) -> None:
    other = replace(account, name="fbe", account_type="fbe")
    for _ in range(5):
        await reserve(engine, account, ORDER_READ, longest=60.0)
    assert (await reserve(engine, other, ORDER_READ, longest=60.0)).waited > 3 * GAP


async def test_another_login_has_a_budget_of_its_own(engine: AsyncEngine, account: Account) -> None:
    other = replace(account, username="other@example.com")
    for _ in range(5):
        await reserve(engine, account, ORDER_READ, longest=60.0)
    assert (await reserve(engine, other, ORDER_READ, longest=60.0)).waited < GAP


async def test_a_seller_can_lower_the_rate_of_a_family(
    engine: AsyncEngine, account: Account
) -> None:
    slow = replace(account, rates={Family.INVOICES: 0.5})
    await reserve(engine, slow, CUSTOMER_INVOICE_READ, longest=60.0)
    slot = await reserve(engine, slow, RMA_READ, longest=60.0)
    assert slot.waited > 1.0


async def test_a_slot_too_far_away_is_not_taken(engine: AsyncEngine, account: Account) -> None:
    await push_back(engine, account, ORDER_READ, pause=30.0, throttled=True)
    with pytest.raises(BudgetBusyError, match="orders"):
        await reserve(engine, account, ORDER_READ, longest=20.0)
    slot = await reserve(engine, account, ORDER_READ, longest=40.0)
    assert slot.waited > 25.0


async def test_a_429_moves_everyone_back_and_is_counted(
    engine: AsyncEngine, account: Account
) -> None:
    await push_back(engine, account, ORDER_READ, pause=3.0, throttled=True)
    await push_back(engine, account, ORDER_READ, pause=1.0, throttled=False)
    assert (await reserve(engine, account, ORDER_READ, longest=20.0)).waited > 2.0
    async with engine.connect() as connection:
        throttled = await connection.scalar(text("SELECT throttled FROM app.emag_rate_limits"))
    assert throttled == 1


async def test_while_emag_counts_as_down_one_probe_at_a_time_may_leave(
    engine: AsyncEngine, account: Account
) -> None:
    await reserve(engine, account, ORDER_READ, longest=20.0)
    await mark_down(engine, account, ORDER_READ, "network", "no connection to eMAG", probe=0.0)

    probe = await reserve(engine, account, ORDER_READ, longest=20.0, probe=60.0)
    assert probe.probing
    with pytest.raises(EmagDownError, match="no connection to eMAG") as down:
        await reserve(engine, account, ORDER_SAVE, longest=20.0, probe=60.0)
    assert down.value.cause == "network"

    await mark_up(engine, account, ORDER_READ)
    assert not (await reserve(engine, account, ORDER_READ, longest=20.0)).probing


async def test_one_bucket_being_down_does_not_stop_the_other(
    engine: AsyncEngine, account: Account
) -> None:
    await reserve(engine, account, ORDER_READ, longest=20.0)
    await mark_down(engine, account, ORDER_READ, "network", "no connection to eMAG", probe=60.0)
    assert not (await reserve(engine, account, RMA_READ, longest=20.0)).probing


async def test_a_slot_that_was_missed_is_known_to_be(engine: AsyncEngine) -> None:
    now = time.monotonic()
    assert not await Slot(at=now - 1.0, waited=0.0).reached(tolerance=0.020)
    assert await Slot(at=now - 1.0, waited=0.0).reached(tolerance=60.0)
