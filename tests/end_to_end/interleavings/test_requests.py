"""When a request leaves, and from what it is measured."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from integrations.emag.client import open_client
from integrations.emag.routes import ORDER_SAVE
from integrations.ledger.books import A_PART
from integrations.ledger.budget import (
    BudgetBusyError,
    Slot,
    is_paused,
    mark_down,
    push_back,
    reserve,
)
from integrations.ledger.points import Point, listening
from integrations.sync.ask import hold
from integrations.sync.carry import carry
from integrations.sync.send import send_steps
from tasks.call import call_emag
from tasks.persist import persist_answers
from tests.end_to_end.conftest import QUICK, Shop
from tests.end_to_end.interleavings.meanwhile import (
    CANCELLATION,
    CANCELLED,
    INVOICE,
    ORDER,
    done_to,
    invoice,
    one_of_five,
    stopped,
    verdicts,
)
from tests.end_to_end.test_spine import claimed, folded, later, planned, requests, state


class TestCopies:
    async def test_a_copy_that_has_grown_old_is_not_saved_back(self, shop: Shop) -> None:
        row = await one_of_five(shop)
        batch = await planned(shop)
        [work] = batch.works
        assert work.copy is not None
        work.copy = replace(work.copy, began=work.copy.began - QUICK.copy_age)
        order = shop.market.orders.get(ORDER)
        assert order is not None
        order["products"][0]["quantity"] = 4
        await send_steps(shop.channel, batch, batch.works)
        assert requests(shop, "order/save") == 0
        await call_emag(shop.channel, batch)
        await persist_answers(shop.channel, batch)
        assert await state(shop, row) == "synced"
        assert done_to(shop) == [("order.line", 4, 3)]

    async def test_a_copy_serves_one_write(self, shop: Shop) -> None:
        line = {"product_id": "1001", "quantity": 5}
        shop.market.add_order({"id": ORDER, "status": 1, "products": [line]})
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "synced"
        assert [record.route for record in shop.market.journal.requests] == [
            "order/read",
            "order/acknowledge",
            "order/read",
            "order/save",
        ]


class TestRepetition:
    async def test_a_repeated_step_asks_nothing_about_an_order_whose_call_is_open(
        self, shop: Shop
    ) -> None:
        row = await invoice(shop)
        await folded(shop)
        batch = await claimed(shop, INVOICE)

        async def lose_the_database(point: Point) -> None:
            if point is Point.ANSWERED:
                raise ConnectionError

        with listening(lose_the_database), pytest.raises(ConnectionError):
            await carry(shop.channel, batch)
        asked = len(shop.market.journal.requests)
        await carry(shop.channel, batch)
        await persist_answers(shop.channel, batch)
        assert (await claimed(shop, INVOICE)).works == []
        assert len(shop.market.journal.requests) == asked
        await later(shop)
        await shop.run(INVOICE)
        assert await state(shop, row, INVOICE) == "synced"
        assert [kind for kind, *_ in done_to(shop)] == ["attachment"]


class TestReductions:
    async def test_a_worker_that_died_after_its_request_left_no_reason_to_take_more(
        self, shop: Shop
    ) -> None:
        row = await one_of_five(shop)
        batch = await planned(shop)
        await send_steps(shop.channel, batch, batch.works)  # and then the worker dies
        await later(shop)
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "synced"
        assert done_to(shop) == [("order.line", 5, 4)]


class TestSlots:
    async def test_requests_that_waited_for_a_connection_do_not_leave_all_at_once(
        self, shop: Shop
    ) -> None:
        orders = range(ORDER, ORDER + 15)
        for order_id in orders:
            shop.market.add_order({"id": order_id, "status": 1})
            await shop.erp.add(CANCELLATION, order_id)
        shop.market.faults.add(route="order/acknowledge", kind="slow", seconds=1.6, times=1)
        async with open_client(shop.channel.account, deadline=40.0, max_connections=1) as narrow:
            await shop.run(CANCELLATION, client=narrow, gate=asyncio.Semaphore(16))
        assert shop.market.journal.violations() == []
        assert {effects[-1] for effects in map(partial(done_to, shop), orders)} == {*CANCELLED}

    @pytest.mark.parametrize("probing", [False, True])
    async def test_a_request_whose_time_is_over_does_not_leave_however_free_the_budget_is(
        self, shop: Shop, probing: bool
    ) -> None:
        long_ago = Slot(
            time.monotonic() - QUICK.budget_wait - 1.0, 0.0, datetime.now(UTC) if probing else None
        )
        with pytest.raises(BudgetBusyError):
            await hold(shop.channel, ORDER_SAVE, long_ago)

    async def test_a_request_leaves_behind_the_pause_that_emag_asks_for_meanwhile(
        self, shop: Shop
    ) -> None:
        bucket = shop.channel.engine, shop.channel.account, ORDER_SAVE
        slot = await reserve(*bucket, longest=5.0)
        await push_back(*bucket, pause=0.5, throttled=True)
        assert is_paused(*bucket)
        await hold(shop.channel, ORDER_SAVE, slot)
        assert not is_paused(*bucket)

    async def test_a_request_does_not_leave_if_the_pause_is_longer_than_it_may_wait(
        self, shop: Shop
    ) -> None:
        bucket = shop.channel.engine, shop.channel.account, ORDER_SAVE
        slot = await reserve(*bucket, longest=5.0)
        await push_back(*bucket, pause=QUICK.budget_wait + 5.0, throttled=True)
        with pytest.raises(BudgetBusyError):
            await hold(shop.channel, ORDER_SAVE, slot)

    async def test_a_request_that_finds_emag_down_does_not_leave(self, shop: Shop) -> None:
        row = await one_of_five(shop)
        async with stopped(shop.run(CANCELLATION), Point.INTENDED):
            await mark_down(
                shop.channel.engine, shop.channel.account, ORDER_SAVE, "server", "down", probe=60.0
            )
            await shop.sql("SELECT pg_sleep(0.3)")  # the slot is missed
        books = await shop.books(CANCELLATION, row)
        assert (books["sync_state"], books["sent_at"], books["reductions"]) == (
            "pending",
            None,
            A_PART,
        )
        assert await verdicts(shop) == ["unsent"]
        assert shop.reports[-1].exit_code == 3
