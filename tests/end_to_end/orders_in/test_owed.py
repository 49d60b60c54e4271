"""What of eMAG's news the ERP does not hold yet, and who comes first."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from integrations.ledger.arrivals import Brought
from integrations.ledger.clock import read_clock
from integrations.ledger.database import transaction
from integrations.ledger.instants import Instant
from integrations.ledger.mirror_orders import owe
from integrations.sync.page import Page
from integrations.sync.receipt import Receipt
from integrations.sync.receive_orders import take_orders
from tests.end_to_end.conftest import Shop
from tests.end_to_end.orders_in.conftest import (
    ALL,
    CANCELLATION,
    LINES,
    ORDER,
    an_order,
    at_emag,
    mirrored,
    receive,
    rows,
    told,
)


class TestWhoComesFirst:
    async def test_what_the_erp_has_not_sent_yet_stands(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        await shop.erp.update(CANCELLATION, row["id"], reason="fraud_suspected")
        shop.market.panel_restores(ORDER)
        receipt = await receive(shop)
        assert receipt.brought[CANCELLATION] == {Brought.UNSENT: 1}
        assert (await rows(shop))[0]["status"] == "completed"
        assert (await mirrored(shop))["owed"] is True

    async def test_an_order_that_we_are_writing_about_is_left_for_the_next_run(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        await receive(shop)
        await shop.sql(
            "INSERT INTO app.emag_api_calls (id, sent_at, account, platform, route, writes,"
            " order_ids, items, dead_at, verdict) VALUES (gen_random_uuid(), now(), 'main',"
            " :platform, 'order/save', true, ARRAY[:order], 1, now() + interval '60 s', 'sent')",
            platform=shop.channel.account.platform,
            order=ORDER,
        )
        shop.market.panel_cancels(ORDER)
        receipt = await receive(shop)
        assert receipt.brought[CANCELLATION] == {Brought.OVERTAKEN: 1}
        assert await rows(shop) == []
        await shop.sql(
            "UPDATE app.emag_api_calls SET verdict = 'applied', closed_at = now() - interval '9 s'"
        )
        await receive(shop)
        assert await told(shop) == [("completed", ALL)]

    async def test_a_row_that_the_erp_holds_locked_is_left_for_the_next_run(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        await shop.run(CANCELLATION, require_approval=True)
        shop.market.panel_cancels(ORDER)
        async with transaction(shop.channel.engine) as erp:
            await erp.execute("SELECT 1 FROM app.cancellation_requests FOR UPDATE")
            receipt = await receive(shop)
            assert receipt.brought[CANCELLATION] == {Brought.LOCKED: 1}
        await receive(shop)
        assert [row["status"] for row in await rows(shop)] == ["completed"]

    async def test_two_runs_at_once_tell_it_once(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.panel_cancels(ORDER)
        receipts = await asyncio.gather(*(receive(shop) for _ in range(4)))
        assert await told(shop) == [("completed", ALL)]
        assert not any(receipt.parked for receipt in receipts)

    async def test_an_older_read_says_nothing_against_a_newer_one(self, shop: Shop) -> None:
        order = dict(an_order(shop))
        began = Instant.now()
        clock = await read_clock(shop.channel.engine)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        await take_orders(shop.channel, Page(began, [order]), clock, receipt := Receipt())
        assert (await mirrored(shop))["status"] == 0
        assert (receipt.changed, await told(shop)) == (0, [("completed", ALL)])


class TestWhatIsOwed:
    async def test_is_read_by_its_number_once_no_page_shows_it(self, shop: Shop) -> None:
        long_past = datetime.now(UTC) - timedelta(days=40)
        an_order(shop, status=0, modified=long_past, created=long_past, date=long_past)
        [order] = [at_emag(shop)]
        clock = await read_clock(shop.channel.engine)
        await shop.sql("ALTER TABLE app.cancellation_requests RENAME TO away")
        with pytest.raises(Exception, match="cancellation_requests"):
            await take_orders(shop.channel, Page(Instant.now(), [dict(order)]), clock, Receipt())
        await shop.sql("ALTER TABLE app.away RENAME TO cancellation_requests")
        receipt = await receive(shop)
        assert receipt.read == 1
        assert await told(shop) == [("completed", ALL)]

    async def test_is_parked_where_the_erps_database_refuses_it_and_stops_no_other(
        self, shop: Shop
    ) -> None:
        await shop.sql(
            "ALTER TABLE app.cancellation_requests ADD CONSTRAINT no CHECK (emag_order_id <> '1')"
        )
        for order_id in (1, ORDER):
            shop.market.add_order({"id": order_id, "status": 0, "products": LINES})
        receipt = await receive(shop)
        assert [(each.emag_id, each.reason) for each in receipt.parked] == [
            (1, "the ERP refused the row in app.cancellation_requests (23514, no)")
        ]
        assert [row["emag_order_id"] for row in await rows(shop)] == [str(ORDER)]
        mirror = await mirrored(shop, 1)
        assert (mirror["owed"], mirror["attempts"]) == (True, 1)
        assert mirror["next_at"] > datetime.now(UTC)
        assert (await receive(shop)).parked == []

    async def test_that_emag_shows_no_more_is_said(self, shop: Shop) -> None:
        an_order(shop)
        await receive(shop)
        await owe(shop.channel.engine, shop.channel.account.platform, [ORDER])
        shop.market.orders.clear()
        receipt = await receive(shop)
        assert [each.reason for each in receipt.parked] == [
            f"eMAG shows no order {ORDER} any more: look for it there"
        ]

    @pytest.mark.parametrize(
        ("field", "value", "status"), [("status", "vier", -1), ("products", [{"id": None}], 0)]
    )
    async def test_that_nobody_can_read_is_parked_and_stops_no_other(
        self, shop: Shop, field: str, value: object, status: int
    ) -> None:
        an_order(shop, status=0)
        shop.market.add_order({"id": ORDER + 1, "status": 0})
        strange = {**at_emag(shop), field: value}
        other = shop.market.orders.get(ORDER + 1)
        assert other is not None
        clock, receipt = await read_clock(shop.channel.engine), Receipt()
        page = Page(Instant.now(), [strange, dict(other), {**other, "id": "keine"}])
        await take_orders(shop.channel, page, clock, receipt)
        assert [row["emag_order_id"] for row in await rows(shop)] == [str(ORDER + 1)]
        mirror = await mirrored(shop)
        assert (mirror["status"], mirror["owed"]) == (status, True)
        assert mirror["problem"].startswith(f"eMAG's order {ORDER} has an unusable")
        assert {each.emag_id for each in receipt.parked} == {None, ORDER}

    @pytest.mark.parametrize(
        ("field", "value", "shown"),
        [
            ("cashed_co", {"amount": 5}, "an object"),
            ("cashed_cod", ["5"], "a list"),
            ("cashed_co", True, "True"),
            ("refunded_amount", "1,234.50", "'1,234.50'"),
            ("refunded_amount", "zece", "a text of 4 characters"),
        ],
    )
    async def test_of_an_amount_that_nobody_can_read_is_parked_until_it_can(
        self, shop: Shop, field: str, value: object, shown: str
    ) -> None:
        an_order(shop, status=4)
        shop.market.add_order({"id": ORDER + 1, "status": 0})
        at_emag(shop)[field] = value
        receipt = await receive(shop)
        assert [(each.emag_id, each.reason) for each in receipt.parked] == [
            (ORDER, f"eMAG's order {ORDER} has an unusable {field}: {shown}")
        ]
        assert [row["emag_order_id"] for row in await rows(shop)] == [str(ORDER + 1)]
        at_emag(shop)[field] = "0.00"
        shop.market.touch(at_emag(shop))
        assert (await receive(shop)).parked == []
        assert (await mirrored(shop))["owed"] is False

    async def test_costs_nothing_where_nothing_changed(self, shop: Shop) -> None:
        now = datetime.now(UTC)
        shop.market.add_orders(
            {"id": ORDER + each, "status": 4, "payment_status": 1, "modified": now}
            for each in range(30)
        )
        first = await receive(shop)
        again = await receive(shop)
        assert (first.changed, again.changed, again.read) == (30, 0, 30)
        assert await shop.sql("SELECT 1 FROM app.emag_orders WHERE owed") == []
