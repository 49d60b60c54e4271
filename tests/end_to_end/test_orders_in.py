"""What happens to orders at eMAG, and which cancellations the ERP then holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from integrations.emag.accounts import Account
from integrations.emag.routes import LIMITS, Bucket
from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from integrations.ledger.clock import read_clock
from integrations.ledger.mirror_orders import owe
from integrations.ledger.profile import Profile
from integrations.sandbox.faults import Fault, Faults, Point
from integrations.sandbox.market import Market
from integrations.sync.channel import Tally
from integrations.sync.listing import PASSES, Page
from integrations.sync.receipt import Receipt
from integrations.sync.receive_orders import receive_orders, take_orders
from tests.end_to_end.conftest import QUICK, Shop

CANCELLATION = Kind.CANCELLATION
ORDER = 480_000_101

MUG, JUICE = 11, 12
LINES = [
    {"id": MUG, "product_id": "1001", "quantity": 3},
    {"id": JUICE, "product_id": "1002", "quantity": 1},
]


@pytest.fixture
def account(account: Account, market: Market, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The seller's account at an eMAG that has no request limits."""
    monkeypatch.setitem(LIMITS, Bucket.ORDERS, 500.0)
    monkeypatch.setitem(LIMITS, Bucket.OTHER, 500.0)
    market.switches = replace(market.switches, limits=False)
    return replace(account, rates={})


async def receive(shop: Shop, **changes: Any) -> Receipt:
    """One run of the way in."""
    return await receive_orders(replace(shop.channel, tally=Tally(), **changes))


async def carry_out(shop: Shop, **changes: Any) -> None:
    """A run of the way out that ended some time ago."""
    await shop.run(CANCELLATION, **changes)
    await long_ago(shop)


async def long_ago(shop: Shop) -> None:
    """Whatever was sent, was sent some time ago."""
    await shop.sql(
        "UPDATE app.emag_api_calls SET sent_at = sent_at - interval '9 s',"
        " closed_at = closed_at - interval '9 s'"
    )
    await shop.sql(
        "UPDATE app.emag_cancellation_integrations SET last_synced_at ="
        " last_synced_at - interval '9 s'"
    )


def cancel_lately(shop: Shop, first: int, count: int) -> None:
    """So many orders are cancelled at eMAG just now."""
    now = datetime.now(UTC)
    shop.market.add_orders(
        {"id": first + each, "status": 0, "modified": now} for each in range(count)
    )


async def an_hour_passes(shop: Shop) -> None:
    """That the end of the listing was proved is an hour ago; nothing was modified meanwhile."""
    await shop.sql(
        "UPDATE app.emag_cursors SET detail = detail"
        " || jsonb_build_object('proved', clock_timestamp() - interval '61 min')"
        " WHERE resource LIKE 'orders:%'"
    )


def an_order(shop: Shop, **fields: Any) -> dict[str, Any]:
    """An order of four pieces on two lines, in progress."""
    return shop.market.add_order({"id": ORDER, "status": 2, "products": LINES, **fields})


def at_emag(shop: Shop) -> dict[str, Any]:
    found = shop.market.orders.get(ORDER)
    assert found is not None
    return found


def number(shop: Shop, suffix: str = "") -> str:
    return f"{shop.channel.account.platform}-{ORDER}{suffix}"


async def rows(shop: Shop) -> list[dict[str, Any]]:
    """The ERP's cancellations, oldest first."""
    return await shop.sql("SELECT * FROM app.cancellation_requests ORDER BY id")


async def told(shop: Shop) -> list[tuple[str, dict[int, int]]]:
    """Status and pieces by order line of each cancellation of the ERP's, oldest first."""
    return [(row["status"], await pieces(shop, row["id"])) for row in await rows(shop)]


async def pieces(shop: Shop, row_id: int) -> dict[int, int]:
    found = await shop.sql(
        "SELECT emag_item_id::int AS line, quantity::int AS pieces FROM app.cancellation_items"
        " WHERE cancellation_request_id = :id ORDER BY id",
        id=row_id,
    )
    return {row["line"]: row["pieces"] for row in found}


async def mirrored(shop: Shop, order_id: int = ORDER) -> dict[str, Any]:
    [row] = await shop.sql("SELECT * FROM app.emag_orders WHERE order_id = :id", id=order_id)
    return row


async def changes(shop: Shop) -> int:
    """How many changes of the ERP's wait to be looked at."""
    return len(await shop.sql("SELECT 1 FROM app.emag_changes"))


def writes(shop: Shop) -> list[str]:
    """Our own requests that changed something at eMAG."""
    return [
        request.route
        for request in shop.market.journal.requests
        if request.route in ("order/save", "order/acknowledge")
    ]


ALL = {MUG: 3, JUICE: 1}


async def _dies(*_: object) -> None:
    raise RuntimeError("killed")


class Growing(Faults):
    """Before each count an order comes to light that was modified a while ago."""

    def __init__(self, shop: Shop) -> None:
        super().__init__()
        self._shop = shop

    def consult(self, point: Point, route: str) -> Fault | None:
        if point == "before_effect" and route == "order/count":
            past = datetime.now(UTC) - timedelta(minutes=5)
            self._shop.market.add_order({"status": 2, "modified": past})
        return super().consult(point, route)


class TestAnOrderCancelledAtEmag:
    async def test_becomes_a_completed_cancellation_with_all_that_emag_tells(
        self, shop: Shop
    ) -> None:
        order = an_order(shop)
        await receive(shop)
        shop.market.panel_cancels(ORDER, 33)
        receipt = await receive(shop)
        [row] = await rows(shop)
        assert row["cancellation_number"] == number(shop)
        assert (row["order_id"], row["emag_order_id"]) == (None, str(ORDER))
        assert (row["status"], row["reason"]) == ("completed", "inventory_unavailable")
        assert row["reason_description"] == "eMAG 33: no longer in the partner's stock"
        assert row["customer_name"] == order["customer"]["name"]
        assert row["customer_email"] == order["customer"]["email"]
        assert (row["currency"], row["account_type"]) == ("RON", "main")
        assert row["emag_cancellation_id"] == str(ORDER)
        assert (row["refund_amount"], row["refund_status"]) == (Decimal(0), "pending")
        assert receipt.brought[CANCELLATION] == {Brought.CREATED: 1}

    async def test_has_its_items_at_prices_with_vat(self, shop: Shop) -> None:
        an_order(
            shop,
            products=[
                {
                    "id": MUG,
                    "product_id": "1001",
                    "quantity": 3,
                    "sale_price": "82.6446",
                    "vat": "0.2100",
                    "name": "Cana",
                    "part_number": "CANA-350",
                }
            ],
        )
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        [item] = await shop.sql("SELECT * FROM app.cancellation_items")
        assert (item["product_id"], item["sku"], item["product_name"]) == (
            "1001",
            "CANA-350",
            "Cana",
        )
        assert (item["quantity"], item["stock_to_restore"]) == (3, 3)
        assert (item["unit_price"], item["total_amount"]) == (Decimal("100.00"), Decimal("300.00"))
        assert item["emag_item_id"] == str(MUG)

    async def test_that_is_first_seen_as_cancelled_is_told_as_well(self, shop: Shop) -> None:
        an_order(shop, status=0, reason_cancellation=24)
        await receive(shop)
        [row] = await rows(shop)
        assert (row["status"], row["reason"]) == ("completed", "customer_request")
        assert await pieces(shop, row["id"]) == ALL

    async def test_is_told_once_however_often_it_is_read(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        await owe(shop.channel.engine, shop.channel.account.platform, [ORDER])
        receipt = await receive(shop)
        at_emag(shop)["payment_status"] = 1
        await receive(shop)
        assert len(await rows(shop)) == 1
        assert receipt.changed == 0

    async def test_echoes_nothing(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await changes(shop) == 0
        report = await shop.run(CANCELLATION)
        assert report.requests == {}
        [row] = await rows(shop)
        books = await shop.books(CANCELLATION, row["id"])
        assert (books["sync_state"], books["emag_status"], books["origin"]) == (
            "synced",
            "canceled",
            "emag",
        )

    async def test_keeps_a_reason_that_nobody_has_documented(self, shop: Shop) -> None:
        an_order(shop, status=0)["reason_cancellation"] = {"id": 77, "name": "Nou"}
        await receive(shop)
        [row] = await rows(shop)
        assert row["reason"] == "other"
        assert row["reason_description"] == "eMAG 77: a reason that is not documented"

    async def test_is_told_in_the_form_of_an_erp_that_was_there_first(
        self, erp_first: Shop
    ) -> None:
        erp_first.market.add_order({"id": ORDER, "status": 0, "products": LINES})
        await receive(erp_first)
        [row] = await erp_first.sql(
            "SELECT * FROM app.cancellation_requests WHERE emag_order_id = :id", id=str(ORDER)
        )
        assert (row["status"], row["reason"]) == ("COMPLETED", "CUSTOMER_REQUEST")
        assert row["refund_status"] == "PENDING"
        assert await pieces(erp_first, row["id"]) == ALL

    async def test_fulfilled_by_emag_is_told_too(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 0, "type": 2, "products": LINES})
        await receive(shop)
        assert await told(shop) == [("completed", ALL)]

    async def test_belongs_to_the_account_that_answers_for_its_type(
        self, shop: Shop, fbe: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 0, "type": 2, "products": LINES})
        await receive(shop)
        assert await rows(shop) == []
        await receive(fbe)
        [row] = await rows(shop)
        assert row["account_type"] == "fbe"

    async def test_that_was_cancelled_by_the_erp_itself_gets_no_second_row(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        await receive(shop)
        await shop.erp.add(CANCELLATION, ORDER)
        await carry_out(shop)
        receipt = await receive(shop)
        assert receipt.changed == 1
        assert len(await rows(shop)) == 1
        assert (await mirrored(shop))["owed"] is False

    @pytest.mark.parametrize("name", [str(ORDER), f" {ORDER} ", f"0{ORDER}"])
    async def test_that_the_erp_means_to_cancel_is_left_to_the_plan(
        self, shop: Shop, name: str
    ) -> None:
        an_order(shop)
        row = await shop.erp.add(CANCELLATION, name)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert [each["id"] for each in await rows(shop)] == [row]
        report = await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert "order/save" not in report.requests

    async def test_that_the_erp_cancelled_before_our_books_gets_no_second_row(
        self, shop: Shop
    ) -> None:
        an_order(shop, status=0)
        await shop.erp.add(CANCELLATION, ORDER, status="completed")
        await shop.sql("DELETE FROM app.emag_changes")
        await receive(shop)
        assert len(await rows(shop)) == 1

    @pytest.mark.parametrize("status", ["rejected", "cancelled"])
    async def test_that_the_erp_had_decided_to_keep_gets_a_row(
        self, shop: Shop, status: str
    ) -> None:
        an_order(shop)
        await shop.erp.add(CANCELLATION, ORDER, status=status)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await told(shop) == [(status, {}), ("completed", ALL)]

    async def test_whose_row_the_erp_deletes_stays_deleted(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        await shop.erp.delete(CANCELLATION, row["id"])
        at_emag(shop)["payment_status"] = 1
        receipt = await receive(shop)
        assert receipt.changed == 1
        assert await rows(shop) == []

    async def test_without_readable_lines_is_told_without_items(self, shop: Shop) -> None:
        an_order(shop, products=[])
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        await owe(shop.channel.engine, shop.channel.account.platform, [ORDER])
        await receive(shop)
        assert await told(shop) == [("completed", {})]


class TestACustomersWish:
    async def test_becomes_a_pending_cancellation_for_the_erp_to_decide(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        assert row["cancellation_number"] == number(shop)
        assert (row["status"], row["reason"]) == ("pending", "customer_request")
        assert (await mirrored(shop))["wish_at"] is not None

    async def test_waits_for_an_approval_where_that_is_required(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        await shop.run(CANCELLATION, require_approval=True)
        assert writes(shop) == []
        [row] = await rows(shop)
        await shop.erp.update(CANCELLATION, row["id"], status="approved")
        await shop.run(CANCELLATION, require_approval=True)
        assert at_emag(shop)["status"] == 0

    async def test_is_carried_out_like_every_pending_cancellation_otherwise(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        await carry_out(shop)
        assert at_emag(shop)["status"] == 0
        await receive(shop)
        assert [row["status"] for row in await rows(shop)] == ["completed"]
        assert await changes(shop) == 0

    async def test_that_emag_fulfils_is_told_the_same_row_as_completed(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        await shop.run(CANCELLATION, require_approval=True)
        shop.market.panel_cancels(ORDER, 24)
        await receive(shop)
        [row] = await rows(shop)
        assert (row["status"], row["emag_cancellation_id"]) == ("completed", str(ORDER))
        assert row["reason_description"] == "eMAG 24: by the customer's request"

    async def test_is_told_once(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        await shop.erp.delete(CANCELLATION, row["id"])
        at_emag(shop)["payment_status"] = 1
        await receive(shop)
        assert await rows(shop) == []

    async def test_that_the_erp_has_deleted_is_not_told_again_when_its_order_is_owed(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        await shop.erp.delete(CANCELLATION, row["id"])
        await owe(shop.channel.engine, shop.channel.account.platform, [ORDER])
        await receive(shop)
        await carry_out(shop)
        assert (await rows(shop), writes(shop)) == ([], [])

    async def test_that_the_erp_turned_down_under_a_number_of_its_own_is_not_told_again(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        own = {"cancellation_number": "C-1", "status": "rejected"}
        await shop.erp.update(CANCELLATION, row["id"], **own)
        await owe(shop.channel.engine, shop.channel.account.platform, [ORDER])
        await receive(shop)
        await carry_out(shop)
        assert [each["status"] for each in await rows(shop)] == ["rejected"]
        assert writes(shop) == []

    async def test_that_a_run_died_behind_is_not_told_again(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        with monkeypatch.context() as patched:
            patched.setattr("integrations.sync.receive_orders.settle_orders", _dies)
            with pytest.raises(RuntimeError, match="killed"):
                await receive(shop)
        [row] = await rows(shop)
        await shop.erp.delete(CANCELLATION, row["id"])
        await receive(shop)
        assert await rows(shop) == []

    async def test_that_the_customer_takes_back_and_has_again_is_a_new_one(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        await shop.erp.delete(CANCELLATION, row["id"])
        at_emag(shop)["cancellation_request"] = None
        await receive(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        assert [each["status"] for each in await rows(shop)] == ["pending"]

    async def test_that_the_erp_turns_down_asks_nothing_of_emag(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        await shop.erp.update(CANCELLATION, row["id"], status="rejected")
        await shop.run(CANCELLATION)
        at_emag(shop)["payment_status"] = 1
        await receive(shop)
        assert writes(shop) == []
        assert [each["status"] for each in await rows(shop)] == ["rejected"]

    async def test_about_an_order_that_the_erp_cancels_already_is_no_news(self, shop: Shop) -> None:
        an_order(shop)
        await shop.erp.add(CANCELLATION, ORDER)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        assert len(await rows(shop)) == 1

    async def test_about_an_order_that_emag_fulfils_is_emags_to_decide(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "type": 2})
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        assert await rows(shop) == []


class TestPiecesThatAnOrderLoses:
    async def test_become_a_further_completed_cancellation_of_just_these(self, shop: Shop) -> None:
        an_order(shop)
        await receive(shop)
        shop.market.panel_removes(ORDER, "1001", 2)
        await receive(shop)
        [row] = await rows(shop)
        assert await told(shop) == [("completed", {MUG: 2})]
        assert row["reason_description"] == "eMAG: partial cancellation"
        books = await shop.books(CANCELLATION, row["id"])
        assert books["emag_status"] == "partially_canceled"

    async def test_are_told_even_when_the_order_was_not_seen_before(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.panel_removes(ORDER, "1001", 1)
        await receive(shop)
        assert await told(shop) == [("completed", {MUG: 1})]

    async def test_are_told_where_emag_has_forgotten_how_many_there_were(self, shop: Shop) -> None:
        order = an_order(shop)
        for line in order["products"]:
            line["initial_qty"] = None
        await receive(shop)
        shop.market.panel_removes(ORDER, "1001", 1)
        await receive(shop)
        assert await told(shop) == [("completed", {MUG: 1})]

    async def test_of_a_line_that_vanishes_are_told(self, shop: Shop) -> None:
        an_order(shop, status=4)
        await receive(shop)
        shop.switch(zero_lines="dropped")
        shop.market.panel_stornoes(ORDER, "1002", 1)
        await receive(shop)
        assert await told(shop) == [("completed", {JUICE: 1})]

    async def test_one_after_the_other_are_each_told_once(self, shop: Shop) -> None:
        an_order(shop)
        await receive(shop)
        for _ in range(2):
            shop.market.panel_removes(ORDER, "1001", 1)
            await receive(shop)
            await receive(shop)
        shop.market.panel_removes(ORDER, "1002", 1)
        await receive(shop)
        await owe(shop.channel.engine, shop.channel.account.platform, [ORDER])
        await receive(shop)
        assert await told(shop) == [
            ("completed", {MUG: 1}),
            ("completed", {MUG: 1}),
            ("completed", {JUICE: 1}),
        ]
        assert [row["cancellation_number"] for row in await rows(shop)] == [
            number(shop),
            number(shop, "-2"),
            number(shop, "-3"),
        ]

    async def test_leave_the_rest_to_the_cancellation_of_the_order(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.panel_removes(ORDER, "1001", 2)
        await receive(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await told(shop) == [
            ("completed", {MUG: 2}),
            ("completed", {MUG: 1, JUICE: 1}),
        ]

    async def test_that_the_erp_cancelled_itself_are_not_told_back(self, shop: Shop) -> None:
        an_order(shop)
        await receive(shop)
        item = {"emag_item_id": str(MUG), "quantity": 1}
        await shop.erp.add(CANCELLATION, ORDER, item)
        await carry_out(shop)
        await receive(shop)
        assert len(await rows(shop)) == 1
        shop.market.panel_removes(ORDER, "1001", 1)
        await receive(shop)
        assert [each[1] for each in await told(shop)] == [{MUG: 1}, {MUG: 1}]

    @pytest.mark.parametrize("key", [{"product_id": "1001"}, {"sku": "CANA-350"}])
    async def test_that_the_erp_cancelled_before_our_books_are_matched_by_product(
        self, shop: Shop, key: Mapping[str, str]
    ) -> None:
        products = [{**LINES[0], "part_number": "CANA-350"}, LINES[1]]
        an_order(shop, products=products)
        shop.market.panel_removes(ORDER, "1001", 1)
        item = {"sku": "", **key, "quantity": 1}
        await shop.erp.add(CANCELLATION, ORDER, item, status="completed")
        await shop.sql("DELETE FROM app.emag_changes")
        await receive(shop)
        assert len(await rows(shop)) == 1

    async def test_stornoed_are_told_as_such_and_not_for_the_stock(self, shop: Shop) -> None:
        an_order(shop, status=4)
        await receive(shop)
        shop.market.panel_stornoes(ORDER, "1001", 1)
        await receive(shop)
        [row] = await rows(shop)
        assert await told(shop) == [("completed", {MUG: 1})]
        assert row["reason_description"] == "eMAG: storno of a part"
        [item] = await shop.sql("SELECT * FROM app.cancellation_items")
        assert item["stock_to_restore"] == 0

    async def test_all_at_once_are_told_as_the_whole(self, shop: Shop) -> None:
        an_order(shop, status=4)
        await receive(shop)
        shop.market.panel_returns_order(ORDER)
        await receive(shop)
        await owe(shop.channel.engine, shop.channel.account.platform, [ORDER])
        await receive(shop)
        [row] = await rows(shop)
        assert await told(shop) == [("completed", ALL)]
        assert row["reason_description"] == "eMAG: storno of the whole order"
        assert (await shop.books(CANCELLATION, row["id"]))["emag_status"] == "returned"

    async def test_that_a_finished_return_stands_for_are_not_told_again(self, shop: Shop) -> None:
        an_order(shop, status=4)
        await receive(shop)
        item = {"product_id": "1001", "quantity": 2}
        await shop.erp.add(Kind.RMA, ORDER, item, status="completed")
        shop.market.panel_stornoes(ORDER, "1001", 2)
        await receive(shop)
        assert await rows(shop) == []
        shop.market.panel_stornoes(ORDER, "1002", 1)
        await receive(shop)
        assert await told(shop) == [("completed", {JUICE: 1})]

    async def test_wait_for_a_return_that_is_on_its_way_into_the_erp(self, shop: Shop) -> None:
        an_order(shop, status=4)
        await receive(shop)
        await shop.sql(
            "INSERT INTO app.emag_returns (platform, emag_id, account, type, order_id, status,"
            " digest, read_at, changed_at) VALUES (:platform, 1, 'main', 3, :order, 7, '', now(),"
            " now())",
            platform=shop.channel.account.platform,
            order=ORDER,
        )
        shop.market.panel_returns_order(ORDER)
        await receive(shop)
        assert await rows(shop) == []
        assert (await mirrored(shop))["owed"] is True
        await shop.erp.add(Kind.RMA, ORDER, status="completed")
        await shop.sql("UPDATE app.emag_returns SET owed = false")
        await shop.sql("UPDATE app.emag_orders SET next_at = now()")
        await receive(shop)
        assert await rows(shop) == []
        assert (await mirrored(shop))["owed"] is False

    async def test_whose_row_the_erp_edits_are_not_told_again(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.panel_removes(ORDER, "1001", 1)
        await receive(shop)
        await shop.sql("DELETE FROM app.cancellation_items")
        at_emag(shop)["payment_status"] = 1
        await receive(shop)
        assert len(await rows(shop)) == 1

    async def test_whose_row_the_erp_deletes_are_not_told_again(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.panel_removes(ORDER, "1001", 1)
        await receive(shop)
        [row] = await rows(shop)
        await shop.erp.delete(CANCELLATION, row["id"])
        shop.market.panel_removes(ORDER, "1002", 1)
        await receive(shop)
        assert await told(shop) == [("completed", {JUICE: 1})]

    async def test_while_a_request_of_ours_is_in_doubt_wait_for_its_end(self, shop: Shop) -> None:
        an_order(shop)
        await receive(shop)
        item = {"emag_item_id": str(MUG), "quantity": 1}
        row = await shop.erp.add(CANCELLATION, ORDER, item)
        shop.market.faults.add(route="order/save", point="after_effect", kind="reset", times=1)
        await carry_out(shop)
        assert await shop.state(CANCELLATION, row) == "in_doubt"
        await receive(shop)
        assert (await mirrored(shop))["owed"] is True
        await shop.later()
        await carry_out(shop)
        await shop.sql("UPDATE app.emag_orders SET next_at = now()")
        await receive(shop)
        assert [each["id"] for each in await rows(shop)] == [row]
        assert (await mirrored(shop))["owed"] is False


class TestAnOrderThatComesBack:
    async def test_makes_the_row_of_its_cancellation_cancelled(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        [row] = await rows(shop)
        assert row["status"] == "cancelled"
        assert row["internal_notes"] == f"eMAG: order {ORDER} is in progress again"
        assert await changes(shop) == 0

    async def test_and_is_cancelled_again_gets_a_new_row(self, shop: Shop) -> None:
        an_order(shop)
        for _ in range(2):
            shop.market.panel_cancels(ORDER)
            await receive(shop)
            shop.market.panel_restores(ORDER)
            await receive(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await told(shop) == [("cancelled", ALL), ("cancelled", ALL), ("completed", ALL)]

    async def test_keeps_what_it_had_lost_before(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.panel_removes(ORDER, "1001", 1)
        await receive(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        assert await told(shop) == [
            ("completed", {MUG: 1}),
            ("cancelled", {MUG: 2, JUICE: 1}),
        ]

    async def test_after_the_erp_cancelled_it_is_shown_to_a_person(self, shop: Shop) -> None:
        an_order(shop)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await carry_out(shop)
        await receive(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert await shop.reason(CANCELLATION, row) == (
            f"order {ORDER} is in progress at eMAG again, the ERP holds it as cancelled: replay the"
            " cancellation to cancel the order once more, or set it to cancelled"
        )
        shop.market.journal.clear()
        await shop.run(CANCELLATION)
        await receive(shop)
        assert writes(shop) == []
        assert (await mirrored(shop))["owed"] is False

    async def test_before_anybody_saw_that_it_was_cancelled_is_noticed(self, shop: Shop) -> None:
        an_order(shop)
        await receive(shop)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await carry_out(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        assert await shop.state(CANCELLATION, row) == "refused"

    async def test_is_cancelled_once_more_by_a_replay(self, shop: Shop) -> None:
        an_order(shop)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await carry_out(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        await shop.replay(CANCELLATION, row)
        await carry_out(shop)
        await receive(shop)
        assert at_emag(shop)["status"] == 0
        assert await shop.state(CANCELLATION, row) == "synced"
        assert len(await rows(shop)) == 1

    async def test_and_is_cancelled_at_emag_again_agrees_with_the_erps_row(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await carry_out(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert len(await rows(shop)) == 1

    async def test_only_seemingly_because_a_read_lags_is_no_contradiction(self, shop: Shop) -> None:
        an_order(shop)
        await receive(shop)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        await shop.sql(
            "UPDATE app.emag_api_calls SET sent_at = sent_at - interval '9 s',"
            " closed_at = closed_at - interval '9 s'"
        )
        shop.market.faults.add("order/read", kind="stale", effects=1)
        timings = replace(QUICK, settle=120.0)
        await receive(shop, timings=timings)
        assert await shop.state(CANCELLATION, row) == "synced"


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
        async with shop.channel.engine.begin() as erp:
            await erp.execute(text("SELECT 1 FROM app.cancellation_requests FOR UPDATE"))
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
        began = time.monotonic()
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
            await take_orders(shop.channel, Page(time.monotonic(), [dict(order)]), clock, Receipt())
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
        page = Page(time.monotonic(), [strange, dict(other), {**other, "id": "keine"}])
        await take_orders(shop.channel, page, clock, receipt)
        assert [row["emag_order_id"] for row in await rows(shop)] == [str(ORDER + 1)]
        mirror = await mirrored(shop)
        assert (mirror["status"], mirror["owed"]) == (status, True)
        assert mirror["problem"].startswith(f"eMAG's order {ORDER} has an unusable")
        assert {each.emag_id for each in receipt.parked} == {None, ORDER}

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


class TestTheListing:
    @pytest.mark.parametrize("switch", ["modified_stands_still", "modified_goes_back"])
    async def test_what_changed_is_seen_by_what_it_holds(self, shop: Shop, switch: str) -> None:
        an_order(shop, modified=datetime.now(UTC) - timedelta(minutes=5))
        await receive(shop)
        shop.switch(**{switch: True})
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await told(shop) == [("completed", ALL)]

    async def test_of_many_pages_that_move_is_read_whole(self, shop: Shop) -> None:
        shop.market.add_orders({"id": ORDER + each, "status": 0} for each in range(250))
        shop.switch(page_shift=True, page_cap=40)
        await receive(shop)
        assert len(await rows(shop)) == 250

    @pytest.mark.parametrize("cap", [1, 7, 13, 99])
    async def test_of_pages_that_are_clipped_to_an_odd_number_is_read_whole(
        self, shop: Shop, cap: int
    ) -> None:
        shop.switch(page_cap=cap)
        cancel_lately(shop, ORDER, cap)
        await receive(shop)
        assert len(await rows(shop)) == cap
        for more in range(3):
            cancel_lately(shop, ORDER + 1000 + more, 1)
            await receive(shop)
            assert len(await rows(shop)) == cap + 1 + more

    async def test_without_anything_new_takes_one_request(self, shop: Shop) -> None:
        cancel_lately(shop, ORDER, 12)
        await receive(shop)
        before = len(shop.market.journal.requests)
        await receive(shop)
        assert len(shop.market.journal.requests) - before == 2, "one for each type"

    async def test_loses_nothing_where_emag_clips_pages_from_one_day_to_another(
        self, shop: Shop
    ) -> None:
        cancel_lately(shop, ORDER, 30)
        await receive(shop)
        shop.switch(page_cap=7)
        cancel_lately(shop, ORDER + 100, 20)
        await receive(shop)
        await an_hour_passes(shop)
        await receive(shop)
        assert len(await rows(shop)) == 50
        cancel_lately(shop, ORDER + 200, 20)
        await receive(shop)
        assert len(await rows(shop)) == 70, "it knows how long pages are"

    async def test_loses_nothing_by_what_first_contact_measured_wrongly(self, shop: Shop) -> None:
        shop.switch(page_cap=7)
        cancel_lately(shop, ORDER, 20)
        just_now = datetime.now(UTC) - timedelta(minutes=1)
        await receive(shop, profile=Profile(page_cap=100, measured_at=just_now))
        assert len(await rows(shop)) == 7
        long_past = just_now - timedelta(hours=1)
        await receive(shop, profile=Profile(page_cap=100, measured_at=long_past))
        assert len(await rows(shop)) == 20

    async def test_that_stays_incomplete_is_said_and_read_again(self, shop: Shop) -> None:
        now = datetime.now(UTC) - timedelta(minutes=5)
        shop.market.add_orders(
            {"id": ORDER + each, "status": 2, "modified": now} for each in range(150)
        )
        shop.market.faults = Growing(shop)
        shown = 149 + PASSES
        receipt = await receive(shop)
        assert [each.reason for each in receipt.parked] == [
            f"order/read showed {shown} rows where eMAG counts {shown + 1}, {PASSES} times"
        ]
        cursor = "SELECT resource FROM app.emag_cursors WHERE resource = 'orders:3'"
        assert await shop.sql(cursor) == []
        shop.market.faults = Faults()
        await receive(shop)
        assert len(await shop.sql(cursor)) == 1
        assert len(await shop.sql("SELECT 1 FROM app.emag_orders")) == shown + 1

    @pytest.mark.parametrize("ignored", ["type", "modifiedAfter"])
    async def test_whose_filter_is_ignored_is_said_and_moves_no_cursor(
        self, shop: Shop, ignored: str
    ) -> None:
        long_past = datetime.now(UTC) - timedelta(days=40)
        strange = {
            "type": {"type": 2, "modified": datetime.now(UTC) - timedelta(minutes=5)},
            "modifiedAfter": {"type": 3, "modified": long_past, "created": long_past},
        }
        shop.market.add_orders(
            {"id": ORDER + each, "status": 0, **strange[ignored]} for each in range(30)
        )
        shop.switch(ignored_filters=frozenset({ignored}), order_read_default_type=None)
        receipt = await receive(shop)
        assert "order/read ignored its filter" in receipt.parked[0].reason
        cursor = "SELECT resource FROM app.emag_cursors WHERE resource = 'orders:3'"
        assert await shop.sql(cursor) == []
        assert await shop.sql("SELECT 1 FROM app.emag_orders WHERE type = 3") == []

    async def test_goes_on_from_its_cursor_with_an_overlap(self, shop: Shop) -> None:
        await receive(shop)
        before = datetime.now(UTC)
        await receive(shop)
        asked = [
            request for request in shop.market.journal.requests if request.route == "order/read"
        ]
        assert len(asked) == 4
        [cursor] = await shop.sql(
            "SELECT position FROM app.emag_cursors WHERE resource = 'orders:2'"
        )
        assert cursor["position"] <= before + timedelta(seconds=5)


async def test_the_books_hold_no_customer(shop: Shop) -> None:
    order = an_order(shop)
    shop.market.customer_asks_to_cancel(ORDER)
    await receive(shop)
    shop.market.panel_cancels(ORDER)
    await shop.run(CANCELLATION, require_approval=True)
    await receive(shop)
    name = order["customer"]["name"]
    for table in ("emag_orders", "emag_cancellation_integrations", "emag_cursors"):
        assert name not in str(await shop.sql(f"SELECT * FROM app.{table}"))


async def test_another_login_at_the_same_shop_reads_only_its_own(shop: Shop, fbe: Shop) -> None:
    await receive(fbe)
    resources = await shop.sql("SELECT resource FROM app.emag_cursors")
    assert [row["resource"] for row in resources] == ["orders:2"]
