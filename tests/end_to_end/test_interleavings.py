"""What happens while a worker is on its way: every interleaving that the protocol must survive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from integrations.emag.accounts import Account
from integrations.emag.client import open_client
from integrations.emag.routes import ORDER_SAVE
from integrations.erp.rows import Kind
from integrations.ledger.budget import BudgetBusyError, Slot, mark_down
from integrations.ledger.points import Point, listening
from integrations.sandbox.journal import RequestRecord
from integrations.sandbox.market import Market
from integrations.sync.ask import hold
from integrations.sync.carry import carry
from integrations.sync.send import send_steps
from tasks.call import call_emag
from tasks.persist import persist_answers
from tests.end_to_end.conftest import QUICK, Shop, open_shop
from tests.end_to_end.test_spine import (
    RESTING,
    claimed,
    folded,
    later,
    planned,
    requests,
    state,
)

CANCELLATION, RMA, INVOICE = Kind.CANCELLATION, Kind.RMA, Kind.INVOICE
ORDER, OTHER = 480000101, 480000102

BEFORE_THE_INTENT = (Point.CLAIMED, Point.READ, Point.PLANNED, Point.RESERVED)
AFTER_THE_INTENT = (Point.INTENDED, Point.ANSWERED, Point.NOTED, Point.CARRIED)
ON_THE_WAY = (*BEFORE_THE_INTENT, *AFTER_THE_INTENT)

# A request is surely dead, and its order's lease over, within seconds.
BRIEF = replace(
    QUICK, deadline=1.0, settle=0.0, lease=3.0, renew=1.0, copy_age=2.0, budget_wait=0.5
)


@asynccontextmanager
async def stopped(run: Coroutine[Any, Any, Any], point: Point) -> AsyncIterator[None]:
    """The block runs while the first worker of `run` stands at a point; then it goes on."""
    there, go_on = asyncio.Event(), asyncio.Event()

    async def stop(reached: Point) -> None:
        if reached is point and not there.is_set():
            there.set()
            await go_on.wait()

    with listening(stop):
        running = asyncio.create_task(run)
        arriving = asyncio.create_task(there.wait())
        await asyncio.wait({running, arriving}, return_when=asyncio.FIRST_COMPLETED)
        assert there.is_set(), f"no worker came to {point}"
        try:
            yield
        finally:
            go_on.set()
            await running


async def one_of_five(shop: Shop, order_id: int = ORDER, quantity: int = 1) -> int:
    """A cancellation of pieces of an order with five; its id."""
    if order_id not in shop.market.orders:
        line = {"product_id": "1001", "quantity": 5}
        shop.market.add_order({"id": order_id, "status": 2, "products": [line]})
    item = {"product_id": "1001", "quantity": quantity}
    return await shop.erp.add(CANCELLATION, order_id, item)


async def whole(shop: Shop, order_id: int = ORDER) -> int:
    """A cancellation of an order; its id."""
    shop.market.add_order({"id": order_id, "status": 2})
    return await shop.erp.add(CANCELLATION, order_id)


async def invoice(shop: Shop, order_id: int = ORDER) -> int:
    """An invoice of an order; its id."""
    shop.market.add_order({"id": order_id, "status": 4})
    return await shop.erp.add(INVOICE, order_id, pdf_url=shop.document(f"F-{order_id}"))


def done_to(shop: Shop, order_id: int = ORDER) -> list[tuple[str, object, object]]:
    """What was done to an order at eMAG: the kind of effect, from, to."""
    return [
        (effect.kind, effect.from_, effect.to)
        for effect in shop.market.journal.effects_of(about=order_id)
    ]


async def lease_over(shop: Shop) -> None:
    """Time passes, by the database's clock, until no lease is valid."""
    await shop.sql(
        "SELECT pg_sleep(greatest(0, extract(epoch FROM max(expires_at) - clock_timestamp())))"
        " FROM app.emag_order_leases"
    )


async def taken_over(shop: Shop, order_id: int = ORDER) -> None:
    """Somebody else holds the order's lease from now on."""
    await shop.sql(
        "UPDATE app.emag_order_leases SET token = gen_random_uuid() WHERE emag_order_id = :order",
        order=order_id,
    )


CANCELLED = [("order.status", 2, 0)]

GONE = {
    "deleted": "DELETE FROM app.cancellation_requests",
    "truncated": "TRUNCATE app.cancellation_requests CASCADE",
}


class TestEdits:
    @pytest.mark.parametrize("point", BEFORE_THE_INTENT)
    async def test_an_edit_before_the_intent_is_what_is_carried(
        self, shop: Shop, point: Point
    ) -> None:
        row = await one_of_five(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.sql("UPDATE app.cancellation_items SET quantity = 2")
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "synced"
        assert done_to(shop) == [("order.line", 5, 3)]

    @pytest.mark.parametrize("point", AFTER_THE_INTENT)
    async def test_an_edit_after_the_intent_is_measured_from_what_was_first_read(
        self, shop: Shop, point: Point
    ) -> None:
        row = await one_of_five(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.sql("UPDATE app.cancellation_items SET quantity = 2")
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "synced"
        assert done_to(shop) == [("order.line", 5, 4), ("order.line", 4, 3)]

    async def test_items_written_a_moment_after_their_cancellation_do_not_cost_the_whole_order(
        self, shop: Shop
    ) -> None:
        line = {"product_id": "1001", "quantity": 5}
        shop.market.add_order({"id": ORDER, "status": 2, "products": [line]})
        row = await shop.erp.add(CANCELLATION, ORDER)
        await one_pass(shop)
        await later(shop, 29)
        await shop.erp.insert(
            "cancellation_items",
            cancellation_request_id=row,
            product_id="1001",
            unit_price=1,
            total_amount=1,
        )
        await one_pass(shop)
        await later(shop, 31)
        await one_pass(shop)
        assert await state(shop, row) == "synced"
        assert done_to(shop) == [("order.line", 5, 4)]


class TestFolding:
    @pytest.mark.parametrize("point", ON_THE_WAY)
    async def test_a_fold_while_the_row_is_leased_only_raises_what_is_wanted(
        self, shop: Shop, point: Point
    ) -> None:
        row = await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.erp.update(CANCELLATION, row, reason="other")
            assert await folded(shop) == 1
            assert (await claimed(shop)).works == []
        await shop.run(CANCELLATION)
        books = await shop.books(CANCELLATION, row)
        assert books["sync_state"] == "synced"
        assert (books["wanted_revision"], books["synced_revision"]) == (2, 2)
        assert done_to(shop) == CANCELLED


class TestSiblings:
    @pytest.mark.parametrize("point", ON_THE_WAY)
    async def test_a_second_cancellation_of_the_order_waits_for_the_first(
        self, shop: Shop, point: Point
    ) -> None:
        first = await one_of_five(shop)
        async with stopped(shop.run(CANCELLATION), point):
            second = await one_of_five(shop, quantity=2)
            asked = len(shop.market.journal.requests)
            await shop.run(CANCELLATION)
            assert len(shop.market.journal.requests) == asked
        await shop.run(CANCELLATION)
        assert [await state(shop, row) for row in (first, second)] == ["synced", "synced"]
        assert done_to(shop) == [("order.line", 5, 4), ("order.line", 4, 2)]

    async def test_cancellations_claimed_together_take_turns(self, shop: Shop) -> None:
        rows = [await one_of_five(shop), await one_of_five(shop, quantity=2)]
        await shop.run(CANCELLATION)
        assert [await state(shop, row) for row in rows] == ["synced", "synced"]
        assert done_to(shop) == [("order.line", 5, 4), ("order.line", 4, 2)]

    @pytest.mark.parametrize("fault", ["before_effect", "after_effect"])
    async def test_while_one_is_in_doubt_nothing_is_asked_for_the_other(
        self, shop: Shop, fault: Any
    ) -> None:
        rows = [await one_of_five(shop), await one_of_five(shop, quantity=2)]
        shop.market.faults.add(route="order/save", point=fault, kind="reset", times=1)
        await shop.run(CANCELLATION)
        assert (requests(shop, "order/read"), requests(shop, "order/save")) == (1, 1)
        assert [await state(shop, row) for row in rows] == ["in_doubt", "pending"]
        await later(shop)
        await shop.run(CANCELLATION)
        assert [await state(shop, row) for row in rows] == ["synced", "synced"]
        assert done_to(shop) == [("order.line", 5, 4), ("order.line", 4, 2)]

    async def test_a_worker_that_died_between_them_leaves_each_measured_from_the_other(
        self, shop: Shop
    ) -> None:
        rows = [await one_of_five(shop), await one_of_five(shop, quantity=2)]
        await folded(shop)
        await carry(shop.channel, await claimed(shop))  # and then the worker dies
        await later(shop)
        await shop.run(CANCELLATION)
        assert [await state(shop, row) for row in rows] == ["synced", "synced"]
        assert done_to(shop) == [("order.line", 5, 4), ("order.line", 4, 2)]

    @pytest.mark.parametrize("fault", ["before_effect", "after_effect"])
    async def test_what_is_in_doubt_is_settled_before_another_is_measured(
        self, shop: Shop, fault: Any
    ) -> None:
        other = await one_of_five(shop, quantity=9)  # more than there are: refused
        await shop.run(CANCELLATION)
        doubtful = await one_of_five(shop)
        shop.market.faults.add(route="order/save", point=fault, kind="reset", times=1)
        await shop.run(CANCELLATION)
        await shop.sql("UPDATE app.cancellation_items SET quantity = 2 WHERE quantity = 9")
        await shop.sql("UPDATE app.emag_order_leases SET expires_at = clock_timestamp()")
        await shop.run(CANCELLATION)
        assert [await state(shop, row) for row in (doubtful, other)] == ["synced", "synced"]
        assert done_to(shop) == [("order.line", 5, 4), ("order.line", 4, 2)]

    @pytest.mark.parametrize("point", ON_THE_WAY)
    async def test_a_return_and_a_refund_of_one_order_take_turns(
        self, shop: Shop, point: Point
    ) -> None:
        order = shop.market.add_order({"id": ORDER, "status": 4})
        rma = shop.market.add_return({"order_id": ORDER, "request_status": 2})
        returned = await shop.erp.add(RMA, ORDER)
        refund = await shop.erp.add(CANCELLATION, ORDER, refund_status="processing")
        async with stopped(shop.run(RMA), point):
            asked = len(shop.market.journal.requests)
            await shop.run(CANCELLATION)
            assert len(shop.market.journal.requests) == asked
        await shop.run(CANCELLATION)
        assert await state(shop, returned, RMA) == "synced"
        assert await state(shop, refund) == "synced"
        assert (rma["request_status"], order["status"]) == (3, 5)


class TestLeases:
    async def test_the_orders_that_were_lost_leave_their_lot(self, shop: Shop) -> None:
        orders = [ORDER, OTHER, 480000103]
        rows = [await whole(shop, order_id) for order_id in orders]
        async with stopped(shop.run(CANCELLATION), Point.RESERVED):
            await taken_over(shop, OTHER)
        assert requests(shop, "order/save") == 1
        assert done_to(shop, OTHER) == []
        assert [await state(shop, row) for row in rows] == ["synced", "pending", "synced"]
        await later(shop)
        await shop.run(CANCELLATION)
        assert [done_to(shop, order_id) for order_id in orders] == [CANCELLED] * 3

    async def test_an_order_stays_leased_until_its_request_is_surely_dead(self, shop: Shop) -> None:
        await invoice(shop)
        patient = replace(QUICK, settle=3600.0)
        async with stopped(shop.run(INVOICE, timings=patient), Point.INTENDED):
            await later(shop, 600)  # far beyond a lease
            assert (await claimed(shop, INVOICE)).works == []
            await shop.run(INVOICE)
            assert requests(shop, "order/attachments/save") == 0

    async def test_who_was_halted_after_the_intent_sends_nothing_once_the_lease_is_over(
        self, shop: Shop
    ) -> None:
        row = await invoice(shop)
        async with stopped(shop.run(INVOICE, timings=BRIEF), Point.INTENDED):
            await lease_over(shop)
            await shop.run(INVOICE)
            assert await state(shop, row, INVOICE) == "synced"
            before = await shop.books(INVOICE, row)
        assert [kind for kind, *_ in done_to(shop)] == ["attachment"]
        assert requests(shop, "order/attachments/save") == 1
        assert await shop.books(INVOICE, row) == before

    @pytest.mark.parametrize("point", [Point.ANSWERED, Point.NOTED, Point.CARRIED])
    async def test_an_answer_that_is_late_closes_its_call_and_changes_nothing_else(
        self, shop: Shop, point: Point
    ) -> None:
        row = await invoice(shop)
        async with stopped(shop.run(INVOICE), point):
            await later(shop)
            await shop.run(INVOICE)
            assert await state(shop, row, INVOICE) == "synced"
            before = await shop.books(INVOICE, row)
        assert [kind for kind, *_ in done_to(shop)] == ["attachment"]
        assert await shop.books(INVOICE, row) == before
        assert await verdicts(shop) == ["applied"]

    async def test_a_refusal_that_is_late_does_not_take_back_what_another_worker_sent(
        self, shop: Shop
    ) -> None:
        row = await one_of_five(shop)
        shop.market.faults.add(route="order/save", kind="locked", times=1)
        async with stopped(shop.run(CANCELLATION), Point.ANSWERED):
            await later(shop)
            await shop.run(CANCELLATION)
            before = await shop.books(CANCELLATION, row)
        assert await shop.books(CANCELLATION, row) == before
        assert before["reductions"] is not None
        assert done_to(shop) == [("order.line", 5, 4)]

    async def test_a_request_that_arrives_after_all_has_no_second_effect(
        self, database_url: str, market: Market, account: Account
    ) -> None:
        async with (
            open_road(account) as road,
            open_shop(database_url, market, road.account) as shop,
            open_client(road.account, deadline=1.0) as hasty,
        ):
            row = await one_of_five(shop)
            async with stopped(shop.run(CANCELLATION, client=hasty), Point.INTENDED):
                road.hold_up()
            assert await state(shop, row) == "in_doubt"
            assert done_to(shop) == []
            await later(shop)
            await shop.run(CANCELLATION)
            assert await state(shop, row) == "synced"
            await road.let_through()
            await answered(shop, 2)
            assert done_to(shop) == [("order.line", 5, 4)]
        assert market.journal.violations() == []

    async def test_any_number_of_workers_carry_each_order_once(self, shop: Shop) -> None:
        orders = range(ORDER, ORDER + 40)
        rows = [await whole(shop, order_id) for order_id in orders]
        await asyncio.gather(*(shop.run(CANCELLATION) for _ in range(4)))
        assert {await state(shop, row) for row in rows} == {"synced"}
        assert [done_to(shop, order_id) for order_id in orders] == [CANCELLED] * 40
        assert sum(record.items for record in saves(shop)) == 40


class TestWithdrawals:
    @pytest.mark.parametrize("point", BEFORE_THE_INTENT)
    async def test_before_the_intent_nothing_is_sent(self, shop: Shop, point: Point) -> None:
        row = await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.erp.update(CANCELLATION, row, status="rejected")
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "withdrawn"
        assert requests(shop, "order/save") == 0

    @pytest.mark.parametrize("point", AFTER_THE_INTENT)
    async def test_after_the_intent_it_is_refused_with_both_sides_shown(
        self, shop: Shop, point: Point
    ) -> None:
        row = await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.erp.update(CANCELLATION, row, status="rejected")
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "refused"
        reason = await shop.reason(CANCELLATION, row)
        assert "rejected" in reason
        assert "0 canceled" in reason
        assert done_to(shop) == CANCELLED

    @pytest.mark.parametrize("how", GONE)
    @pytest.mark.parametrize("point", BEFORE_THE_INTENT)
    async def test_a_row_that_is_gone_before_the_intent_is_withdrawn(
        self, shop: Shop, point: Point, how: str
    ) -> None:
        row = await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await gone(shop, how)
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "withdrawn"
        assert requests(shop, "order/save") == 0

    @pytest.mark.parametrize("how", GONE)
    @pytest.mark.parametrize("point", AFTER_THE_INTENT)
    async def test_a_row_that_is_gone_after_the_intent_is_settled_all_the_same(
        self, shop: Shop, point: Point, how: str
    ) -> None:
        await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await gone(shop, how)
        await shop.run(CANCELLATION)
        books = "SELECT sync_state, write_back FROM app.emag_cancellation_integrations"
        assert await shop.sql(books) == [{"sync_state": "synced", "write_back": None}]
        assert done_to(shop) == CANCELLED


class TestOrderIds:
    @pytest.mark.parametrize("point", BEFORE_THE_INTENT)
    async def test_a_row_that_names_another_order_before_the_intent_is_carried_there(
        self, shop: Shop, point: Point
    ) -> None:
        shop.market.add_order({"id": OTHER, "status": 2})
        row = await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.erp.update(CANCELLATION, row, emag_order_id=str(OTHER))
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "synced"
        assert (done_to(shop), done_to(shop, OTHER)) == ([], CANCELLED)

    @pytest.mark.parametrize("fold", [False, True])
    @pytest.mark.parametrize("point", AFTER_THE_INTENT)
    async def test_a_row_that_names_another_order_after_the_intent_is_a_persons_matter(
        self, shop: Shop, point: Point, fold: bool
    ) -> None:
        shop.market.add_order({"id": OTHER, "status": 2})
        row = await whole(shop)
        async with stopped(shop.run(CANCELLATION), point):
            await shop.erp.update(CANCELLATION, row, emag_order_id=str(OTHER))
            if fold:
                await folded(shop)
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "refused"
        assert str(ORDER) in await shop.reason(CANCELLATION, row)
        assert (done_to(shop), done_to(shop, OTHER)) == (CANCELLED, [])


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
        long_ago = Slot(time.monotonic() - QUICK.budget_wait - 1.0, 0.0, probing)
        with pytest.raises(BudgetBusyError):
            await hold(shop.channel, ORDER_SAVE, long_ago)

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
            None,
        )
        assert await verdicts(shop) == ["unsent"]
        assert shop.reports[-1].exit_code == 3


class TestWriteBack:
    async def test_an_erp_that_holds_its_row_locked_is_not_waited_for(self, shop: Shop) -> None:
        row = await whole(shop)
        async with shop.channel.engine.connect() as erp:
            await erp.execute(
                text("SELECT FROM app.cancellation_requests WHERE id = :id FOR UPDATE"),
                {"id": row},
            )
            running = asyncio.create_task(shop.run(CANCELLATION))
            waits = False
            while not (running.done() or waits):
                waits = await somebody_waits(shop)
            await erp.rollback()
        await running
        assert not waits
        assert await state(shop, row) == "synced"


async def one_pass(shop: Shop) -> None:
    """What a run does in one round, with rows that must rest for half a minute."""
    await folded(shop, RESTING)
    batch = await claimed(shop)
    await call_emag(shop.channel, batch)
    await persist_answers(shop.channel, batch)


async def gone(shop: Shop, how: str) -> None:
    """The ERP's cancellations are no more."""
    await shop.sql(GONE[how])


async def verdicts(shop: Shop) -> list[str]:
    """What became of our writes, oldest first."""
    calls = await shop.sql("SELECT verdict FROM app.emag_api_calls WHERE writes ORDER BY sent_at")
    return [call["verdict"] for call in calls]


async def somebody_waits(shop: Shop) -> bool:
    """Whether a session of this database waits for a lock."""
    waiting = await shop.sql(
        "SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(waiting)


def saves(shop: Shop) -> list[RequestRecord]:
    return shop.market.journal.requests_to("order/save")


async def answered(shop: Shop, requests: int) -> None:
    """Until eMAG is done with so many saves."""
    async with asyncio.timeout(30.0):
        while sum(record.status is not None for record in saves(shop)) < requests:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Road:
    """The way to eMAG, on which requests can be held up until long after they were given up."""

    def __init__(self, account: Account) -> None:
        self._emag = httpx.URL(account.base_url)
        self.account = account
        self._gates: list[asyncio.Event] = []

    def hold_up(self) -> None:
        """What travels on the connections of this moment stands still."""
        for gate in self._gates:
            gate.clear()

    async def let_through(self) -> None:
        """What was held up goes on."""
        for gate in self._gates:
            gate.set()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection's bytes both ways."""
        gate = asyncio.Event()
        gate.set()
        self._gates.append(gate)
        answers, requests = await asyncio.open_connection(self._emag.host, self._emag.port)
        back = asyncio.create_task(_pump(answers, writer))
        await _pump(reader, requests, gate)
        await back


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event | None = None
) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            if gate is not None:
                await gate.wait()
            writer.write(data)
            await writer.drain()
    if gate is not None:
        await gate.wait()
    with suppress(ConnectionError):
        writer.write_eof()


@asynccontextmanager
async def open_road(account: Account) -> AsyncIterator[Road]:
    """A road to the account's eMAG; `road.account` is the same account along it."""
    road = Road(account)
    server = await asyncio.start_server(road.connect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    road.account = replace(account, base_url=str(httpx.URL(account.base_url).copy_with(port=port)))
    yield road
    server.close()
