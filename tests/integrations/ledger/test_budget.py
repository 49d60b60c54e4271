"""The request budget: evenly spaced instants, shared by everyone who uses the database."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from integrations.emag.accounts import Account
from integrations.emag.routes import (
    CUSTOMER_INVOICE_READ,
    LIMITS,
    ORDER_READ,
    ORDER_SAVE,
    RMA_READ,
    Family,
    Route,
)
from integrations.ledger.budget import (
    HEADROOM,
    BudgetBusyError,
    EmagDownError,
    Slot,
    hasten_probe,
    mark_down,
    mark_up,
    probed,
    push_back,
    renew,
    reserve,
)
from integrations.ledger.database import rolled_back, transaction
from integrations.ledger.engine import Engine

GAP = HEADROOM / 12


@pytest.fixture
def account(account: Account) -> Account:
    """An account that wants all that eMAG allows."""
    return replace(account, rates={})


async def instants(engine: Engine, account: Account, count: int) -> list[float]:
    slots = await asyncio.gather(
        *(reserve(engine, account, ORDER_READ, longest=60.0) for _ in range(count))
    )
    return sorted(slot.at for slot in slots)


async def test_concurrent_callers_get_instants_one_gap_apart(
    engine: Engine, account: Account
) -> None:
    at = await instants(engine, account, 20)
    # Two answers may have taken differently long on their way back, but not a whole gap.
    assert at[-1] - at[0] == pytest.approx(19 * GAP, abs=GAP)


async def test_no_window_of_a_second_holds_more_slots_than_the_limit(
    engine: Engine, account: Account
) -> None:
    await instants(engine, account, 30)
    async with rolled_back(engine) as connection:
        ahead = (
            await connection.execute(
                "SELECT extract(epoch FROM next_free_at - clock_timestamp())::float8"
                " FROM app.emag_rate_limits WHERE bucket = 'orders'"
            )
        ).scalar_one()
    assert ahead is not None
    assert ahead > 28 * GAP - 1.0


async def test_reads_and_writes_of_orders_share_a_bucket_that_returns_do_not_touch(
    engine: Engine, account: Account
) -> None:
    for _ in range(5):
        await reserve(engine, account, ORDER_SAVE, longest=60.0)
    orders = await reserve(engine, account, ORDER_READ, longest=60.0)
    returns = await reserve(engine, account, RMA_READ, longest=60.0)
    assert orders.waited > 3 * GAP > returns.waited


async def test_two_accounts_of_one_login_share_the_budget(engine: Engine, account: Account) -> None:
    other = replace(account, name="fbe", account_type="fbe")
    for _ in range(5):
        await reserve(engine, account, ORDER_READ, longest=60.0)
    assert (await reserve(engine, other, ORDER_READ, longest=60.0)).waited > 3 * GAP


async def test_another_login_has_a_budget_of_its_own(engine: Engine, account: Account) -> None:
    other = replace(account, username="other@example.com")
    for _ in range(5):
        await reserve(engine, account, ORDER_READ, longest=60.0)
    assert (await reserve(engine, other, ORDER_READ, longest=60.0)).waited < GAP


async def test_a_seller_can_lower_the_rate_of_a_family(engine: Engine, account: Account) -> None:
    slow = replace(account, rates={Family.INVOICES: 0.5})
    await reserve(engine, slow, CUSTOMER_INVOICE_READ, longest=60.0)
    slot = await reserve(engine, slow, RMA_READ, longest=60.0)
    assert slot.waited > 1.0


async def test_a_slot_too_far_away_is_not_taken(engine: Engine, account: Account) -> None:
    await push_back(engine, account, ORDER_READ, pause=30.0, throttled=True)
    with pytest.raises(BudgetBusyError, match="orders"):
        await reserve(engine, account, ORDER_READ, longest=20.0)
    slot = await reserve(engine, account, ORDER_READ, longest=40.0)
    assert slot.waited > 25.0


async def test_a_429_moves_everyone_back_and_is_counted(engine: Engine, account: Account) -> None:
    await push_back(engine, account, ORDER_READ, pause=3.0, throttled=True)
    await push_back(engine, account, ORDER_READ, pause=1.0, throttled=False)
    assert (await reserve(engine, account, ORDER_READ, longest=20.0)).waited > 2.0
    async with rolled_back(engine) as connection:
        throttled = (
            await connection.execute("SELECT throttled FROM app.emag_rate_limits")
        ).scalar_one()
    assert throttled == 1


async def test_while_emag_counts_as_down_one_probe_at_a_time_may_leave(
    engine: Engine, account: Account
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


async def test_no_probe_is_given_until_the_one_before_is_surely_over_or_known_to_be(
    engine: Engine, account: Account
) -> None:
    await reserve(engine, account, ORDER_READ, longest=20.0)
    await mark_down(engine, account, ORDER_READ, "timeout", "eMAG did not answer", probe=0.0)
    first = await reserve(engine, account, ORDER_READ, longest=20.0, probe=60.0)
    # A request that had left before the outage was known is given up meanwhile.
    await mark_down(engine, account, ORDER_READ, "timeout", "eMAG did not answer", probe=0.0)
    with pytest.raises(EmagDownError):
        await reserve(engine, account, ORDER_READ, longest=20.0, probe=60.0)

    await probed(engine, account, ORDER_READ, first, probe=0.0)
    assert (await reserve(engine, account, ORDER_READ, longest=20.0, probe=60.0)).probing
    await probed(engine, account, ORDER_READ, first, probe=0.0)  # it was another's
    with pytest.raises(EmagDownError):
        await reserve(engine, account, ORDER_READ, longest=20.0, probe=60.0)


async def test_a_probe_is_over_so_long_after_its_slot(engine: Engine, account: Account) -> None:
    await mark_down_after(engine, account, pause=30.0)
    probe = await reserve(engine, account, ORDER_READ, longest=60.0, probe=10.0)
    async with rolled_back(engine) as connection:
        ahead = (
            await connection.execute(
                "SELECT extract(epoch FROM probe_at - clock_timestamp())::float8"
                " FROM app.emag_rate_limits"
            )
        ).scalar_one()
    assert probe.waited > 20.0
    assert ahead is not None
    assert ahead > 30.0


async def mark_down_after(engine: Engine, account: Account, pause: float) -> None:
    """eMAG counts as down, and the next slot is so far away."""
    await push_back(engine, account, ORDER_READ, pause=pause, throttled=False)
    await mark_down(engine, account, ORDER_READ, "timeout", "eMAG did not answer", probe=0.0)


async def test_a_probe_that_a_person_asks_for_leaves_at_once_in_a_slot_like_any_other(
    engine: Engine, account: Account
) -> None:
    last = await reserve(engine, account, ORDER_READ, longest=20.0)
    await mark_down(engine, account, ORDER_READ, "credentials", "refused", probe=60.0)

    assert await hasten_probe(engine, account, ORDER_READ, {"credentials", "address"})
    probe = await reserve(engine, account, ORDER_READ, longest=20.0, probe=60.0)

    assert probe.probing
    assert probe.until is not None
    assert last.until is not None
    assert (probe.until - last.until).total_seconds() >= GAP - 1e-6
    with pytest.raises(EmagDownError):
        await reserve(engine, account, ORDER_READ, longest=20.0, probe=60.0)


async def test_a_probe_is_hastened_only_where_a_person_may_have_put_right_why_emag_is_down(
    engine: Engine, account: Account
) -> None:
    await reserve(engine, account, ORDER_READ, longest=20.0)
    up = await hasten_probe(engine, account, ORDER_READ, {"credentials"})
    await mark_down(engine, account, ORDER_READ, "network", "no connection", probe=60.0)

    assert (up, await hasten_probe(engine, account, ORDER_READ, {"credentials"})) == (False, False)
    with pytest.raises(EmagDownError):
        await reserve(engine, account, ORDER_READ, longest=20.0)


async def test_one_bucket_being_down_does_not_stop_the_other(
    engine: Engine, account: Account
) -> None:
    await reserve(engine, account, ORDER_READ, longest=20.0)
    await mark_down(engine, account, ORDER_READ, "network", "no connection to eMAG", probe=60.0)
    assert not (await reserve(engine, account, RMA_READ, longest=20.0)).probing


async def test_a_slot_that_was_missed_is_known_to_be(engine: Engine) -> None:
    now = time.monotonic()
    assert not await Slot(at=now - 1.0, waited=0.0).reached(tolerance=0.020)
    assert await Slot(at=now - 1.0, waited=0.0).reached(tolerance=60.0)


class TestAMissedSlot:
    """At one slot in ten seconds, so that no busy machine blurs who came first."""

    @pytest.fixture
    def slow(self, account: Account) -> Account:
        return replace(account, rates={Family.ORDERS: 0.1})

    async def test_is_used_late_and_what_is_free_moves_by_as_much(
        self, engine: Engine, slow: Account
    ) -> None:
        missed = await reserve(engine, slow, ORDER_READ, longest=20.0)
        await asyncio.sleep(0.05)
        renewed = await renew(engine, slow, ORDER_READ, missed)
        assert renewed is not None
        late = renewed.at - missed.at
        assert late >= 0.05
        behind = await reserve(engine, slow, ORDER_READ, longest=60.0)
        assert behind.at - renewed.at == pytest.approx(10 * HEADROOM, abs=late / 2)

    async def test_is_used_late_again_if_that_was_missed_too(
        self, engine: Engine, slow: Account
    ) -> None:
        slot: Slot | None = await reserve(engine, slow, ORDER_READ, longest=20.0)
        for _ in range(3):
            assert slot is not None
            slot = await renew(engine, slow, ORDER_READ, slot)
        assert slot is not None
        behind = await reserve(engine, slow, ORDER_READ, longest=60.0)
        assert behind.at - slot.at == pytest.approx(10 * HEADROOM, abs=0.05)

    async def test_is_lost_once_it_has_ended(self, engine: Engine, account: Account) -> None:
        missed = await reserve(engine, account, ORDER_READ, longest=20.0)
        assert await missed.reached(60.0)
        await asyncio.sleep(2 * GAP)
        assert await renew(engine, account, ORDER_READ, missed) is None

    async def test_is_lost_if_emag_asked_for_a_pause(self, engine: Engine, slow: Account) -> None:
        missed = await reserve(engine, slow, ORDER_READ, longest=20.0)
        await push_back(engine, slow, ORDER_READ, pause=50.0, throttled=True)
        assert await renew(engine, slow, ORDER_READ, missed) is None

    async def test_is_lost_if_emag_is_down(self, engine: Engine, slow: Account) -> None:
        missed = await reserve(engine, slow, ORDER_READ, longest=20.0)
        await mark_down(engine, slow, ORDER_READ, "network", "no connection to eMAG", probe=60.0)
        assert await renew(engine, slow, ORDER_READ, missed) is None

    @pytest.mark.parametrize(
        ("per_second", "behind", "used"),
        [(0.5, 0, True), (0.5, 1, False), (3.0, 2, True), (3.0, 3, False), (12.0, 11, True)],
    )
    async def test_is_used_late_if_fewer_than_the_limit_are_reserved_behind_it(
        self, engine: Engine, account: Account, per_second: float, behind: int, used: bool
    ) -> None:
        limited = replace(account, rates={Family.ORDERS: per_second})
        await push_back(engine, limited, ORDER_READ, pause=30.0, throttled=False)
        missed = await reserve(engine, limited, ORDER_READ, longest=60.0)
        for _ in range(behind):
            await reserve(engine, limited, ORDER_READ, longest=60.0)
        assert bool(await renew(engine, limited, ORDER_READ, missed)) is used

    @pytest.mark.parametrize("per_second", [0.05, 0.3, 0.45])
    async def test_is_lost_if_others_at_a_higher_rate_have_reserved_as_many_behind_it(
        self, engine: Engine, account: Account, per_second: float
    ) -> None:
        slow = replace(account, rates={Family.RMA: per_second})
        await push_back(engine, slow, RMA_READ, pause=30.0, throttled=False)
        missed = await reserve(engine, slow, RMA_READ, longest=60.0)
        for _ in range(int(LIMITS[RMA_READ.bucket])):
            await reserve(engine, slow, CUSTOMER_INVOICE_READ, longest=90.0)
        assert await renew(engine, slow, RMA_READ, missed) is None

    async def test_lets_no_second_hold_more_slots_than_the_limit(
        self, engine: Engine, account: Account
    ) -> None:
        chance, used, renewals = Random(7), [], []  # noqa: S311

        async def leave_late() -> None:
            for _ in range(6):
                slot = await reserve(engine, account, ORDER_READ, longest=60.0)
                while not await slot.reached(0.015):
                    renewed = await renew(engine, account, ORDER_READ, slot)
                    renewals.append(renewed is not None)
                    slot = renewed or await reserve(engine, account, ORDER_READ, longest=60.0)
                    if renewed:
                        break
                used.append(slot.until)
                await asyncio.sleep(0.2)

        async def hold_up() -> None:
            while True:
                await asyncio.sleep(chance.uniform(0.01, 0.2))
                time.sleep(chance.uniform(0.02, 0.08))  # noqa: ASYNC251 - a busy process

        busy = asyncio.create_task(hold_up())
        await asyncio.gather(*(leave_late() for _ in range(8)))
        busy.cancel()

        assert any(renewals)
        begun = sorted(until for until in used if until is not None)
        assert len(begun) == len(used) == 48
        spans = [
            (later - one).total_seconds()
            for one, later in zip(begun[:-12], begun[12:], strict=True)
        ]
        assert min(spans) >= 12 * GAP - 0.001


class TestBackground:
    """Work in the background, whose callers sleep inside `reserve` until it is their turn."""

    async def next_free(self, engine: Engine) -> float:
        """Seconds from now to the next free instant."""
        async with rolled_back(engine) as connection:
            ahead = (
                await connection.execute(
                    "SELECT extract(epoch FROM next_free_at - clock_timestamp())::float8"
                    " FROM app.emag_rate_limits"
                )
            ).scalar_one()
        return float(ahead or 0.0)

    async def pretend(self, engine: Engine, changes: str) -> None:
        async with transaction(engine) as connection:
            await connection.execute(f"UPDATE app.emag_rate_limits SET {changes}")

    @pytest.mark.parametrize(
        ("route", "slots"), [(ORDER_READ, 3), (RMA_READ, 1)], ids=["orders", "other"]
    )
    async def test_however_many_want_one_hardly_any_is_taken_ahead(
        self, engine: Engine, account: Account, route: Route, slots: int
    ) -> None:
        gap = HEADROOM / LIMITS[route.bucket]
        waiting = [
            asyncio.create_task(reserve(engine, account, route, longest=60.0, background=True))
            for _ in range(16)
        ]
        for _ in range(5):
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=gap)
            assert await self.next_free(engine) <= (slots + 1) * gap
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def test_alone_it_takes_every_instant(self, engine: Engine, account: Account) -> None:
        slots = await asyncio.gather(
            *(
                reserve(engine, account, ORDER_READ, longest=60.0, background=True)
                for _ in range(20)
            )
        )
        at = sorted(slot.at for slot in slots)
        assert at[-1] - at[0] == pytest.approx(19 * GAP, abs=2 * GAP)

    async def test_while_others_want_some_it_leaves_every_second_instant(
        self, engine: Engine, account: Account
    ) -> None:
        at = []
        for _ in range(6):
            await reserve(engine, account, ORDER_READ, longest=60.0)
            slot = await reserve(engine, account, ORDER_READ, longest=60.0, background=True)
            at.append(slot.at)
        gaps = [other - one for one, other in pairwise(at)]
        assert min(gaps) > 1.5 * GAP

    async def test_when_others_have_wanted_none_for_two_seconds_it_takes_all_again(
        self, engine: Engine, account: Account
    ) -> None:
        await reserve(engine, account, ORDER_READ, longest=60.0)
        await reserve(engine, account, ORDER_READ, longest=60.0, background=True)
        await self.pretend(engine, "wanted_at = wanted_at - interval '2 seconds'")
        first = await reserve(engine, account, ORDER_READ, longest=60.0, background=True)
        second = await reserve(engine, account, ORDER_READ, longest=60.0, background=True)
        assert second.at - first.at < 1.5 * GAP

    async def test_its_own_requests_do_not_count_as_wanted_by_others(
        self, engine: Engine, account: Account
    ) -> None:
        await reserve(engine, account, ORDER_READ, longest=60.0, background=True)
        async with rolled_back(engine) as connection:
            wanted = (
                await connection.execute("SELECT wanted_at FROM app.emag_rate_limits")
            ).scalar_one()
        assert wanted is None

    async def test_others_that_have_taken_much_ahead_do_not_keep_it_out(
        self, engine: Engine, account: Account
    ) -> None:
        for _ in range(20):
            await reserve(engine, account, ORDER_READ, longest=60.0)
        slot = await reserve(engine, account, ORDER_READ, longest=60.0, background=True)
        assert slot.waited > 10 * GAP

    async def test_it_gives_up_when_there_is_none_in_time(
        self, engine: Engine, account: Account
    ) -> None:
        await push_back(engine, account, ORDER_READ, pause=30.0, throttled=True)
        with pytest.raises(BudgetBusyError, match="orders"):
            await reserve(engine, account, ORDER_READ, longest=0.2, background=True)

    async def test_it_learns_at_once_that_emag_is_down(
        self, engine: Engine, account: Account
    ) -> None:
        await reserve(engine, account, ORDER_READ, longest=20.0)
        await mark_down(engine, account, ORDER_READ, "network", "no connection to eMAG", probe=60.0)
        with pytest.raises(EmagDownError):
            await reserve(engine, account, ORDER_READ, longest=20.0, background=True)
