"""Whoever holds an order's lease acts on it, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from integrations.emag.accounts import Account
from integrations.emag.client import open_client
from integrations.erp.rows import Kind
from integrations.ledger.points import Point
from integrations.sandbox.journal import RequestRecord
from integrations.sandbox.market import Market
from tests.end_to_end.conftest import QUICK, Shop, open_shop
from tests.end_to_end.interleavings.meanwhile import (
    CANCELLATION,
    CANCELLED,
    INVOICE,
    ORDER,
    OTHER,
    RMA,
    done_to,
    invoice,
    one_of_five,
    stopped,
    verdicts,
    whole,
)
from tests.end_to_end.interleavings.road import open_road
from tests.end_to_end.test_spine import claimed, later, requests, state

# A request is surely dead, and its order's lease over, within seconds.
BRIEF = replace(
    QUICK, deadline=1.0, settle=0.0, lease=3.0, renew=1.0, copy_age=2.0, budget_wait=0.5
)


async def lease_over(shop: Shop) -> None:
    """Time passes, by the database's clock, until no lease is valid."""
    await shop.sql(
        "SELECT pg_sleep(greatest(0, extract(epoch FROM max(expires_at) - clock_timestamp())))"
        " FROM app.emag_order_leases"
    )


@asynccontextmanager
async def suspended(shop: Shop, kind: Kind) -> AsyncIterator[None]:
    """A host stands still behind its intent, clocks and all: time passes for the others alone."""
    async with stopped(shop.run(kind), Point.INTENDED):
        await later(shop)
        yield


async def taken_over(shop: Shop, order_id: int = ORDER) -> None:
    """Somebody else holds the order's lease from now on."""
    await shop.sql(
        "UPDATE app.emag_order_leases SET token = gen_random_uuid() WHERE emag_order_id = :order",
        order=order_id,
    )


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

    async def test_who_was_suspended_after_the_intent_attaches_nothing_twice(
        self, shop: Shop
    ) -> None:
        row = await invoice(shop)
        async with suspended(shop, INVOICE):
            await shop.run(INVOICE)
            before = await shop.books(INVOICE, row)
        assert [kind for kind, *_ in done_to(shop)] == ["attachment"]
        assert requests(shop, "order/attachments/save") == 1
        assert await shop.books(INVOICE, row) == before
        assert sorted(await verdicts(shop)) == ["applied", "unsent"]

    async def test_who_was_suspended_after_the_intent_undoes_nothing(self, shop: Shop) -> None:
        await one_of_five(shop)
        async with suspended(shop, CANCELLATION):
            await one_of_five(shop, quantity=2)
            await shop.run(CANCELLATION)
        await later(shop)
        await shop.run(CANCELLATION)
        left = [int(str(now)) for _, _, now in done_to(shop)]
        assert left == sorted(left, reverse=True)
        assert left[-1] == 2

    async def test_who_was_suspended_after_the_intent_asks_for_nothing_illegal(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 4})
        shop.market.add_return({"order_id": ORDER, "request_status": 2, "emag_id": 52000077})
        row = await shop.erp.add(RMA, ORDER, status="approved")
        async with suspended(shop, RMA):
            await shop.erp.update(RMA, row, status="completed")
            shop.market.courier_delivers_return(52000077)
            await shop.run(RMA)
            done = len(shop.market.journal.effects)
        assert len(shop.market.journal.effects) == done

    async def test_who_was_suspended_for_a_moment_only_sends_after_a_fresh_look(
        self, shop: Shop
    ) -> None:
        row = await invoice(shop)
        async with stopped(shop.run(INVOICE), Point.INTENDED):
            await shop.sql(
                "UPDATE app.emag_order_leases SET expires_at = clock_timestamp() + interval '1 s'"
            )
        assert await state(shop, row, INVOICE) == "synced"
        assert sorted(await verdicts(shop)) == ["applied", "unsent"]

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

    async def test_a_change_that_is_folded_while_an_answer_is_lost_leaves_the_row_in_doubt(
        self, shop: Shop
    ) -> None:
        row = await invoice(shop)
        shop.market.faults.add(
            "order/attachments/save", kind="reset", point="after_effect", times=1
        )
        async with stopped(shop.run(INVOICE), Point.ANSWERED):
            await shop.erp.update(INVOICE, row, pdf_url=shop.document("F-corrected"))
            await shop.run(INVOICE)
            wanted = (await shop.books(INVOICE, row))["wanted_revision"]
        after = await shop.books(INVOICE, row)
        assert (after["sync_state"], after["wanted_revision"]) == ("in_doubt", wanted)
        assert after["synced_revision"] != wanted

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
        assert before["reductions"]["lines"]
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


def saves(shop: Shop) -> list[RequestRecord]:
    return shop.market.journal.requests_to("order/save")


async def answered(shop: Shop, requests: int) -> None:
    """Until eMAG is done with so many saves."""
    async with asyncio.timeout(30.0):
        while sum(record.status is not None for record in saves(shop)) < requests:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
