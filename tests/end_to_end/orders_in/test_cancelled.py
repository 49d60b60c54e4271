"""Orders that are cancelled at eMAG become cancellations of the ERP's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from integrations.ledger.arrivals import Brought
from integrations.ledger.mirror_orders import owe
from tests.end_to_end.conftest import Shop
from tests.end_to_end.orders_in.conftest import (
    ALL,
    CANCELLATION,
    LINES,
    MUG,
    ORDER,
    an_order,
    at_emag,
    carry_out,
    changes,
    mirrored,
    number,
    pieces,
    receive,
    rows,
    told,
)


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

    @pytest.mark.parametrize("first", ["in", "out"])
    @pytest.mark.parametrize("items", [(), ({"emag_item_id": str(MUG), "quantity": 1},)])
    async def test_by_the_erp_gets_no_second_row_when_the_erp_takes_its_own_back_too_late(
        self, shop: Shop, first: str, items: tuple[dict[str, Any], ...]
    ) -> None:
        an_order(shop)
        row = await shop.erp.add(CANCELLATION, ORDER, *items)
        await carry_out(shop)
        await shop.erp.update(CANCELLATION, row, status="cancelled")
        at_emag(shop)["payment_status"] = 1
        ways = [receive, carry_out] if first == "in" else [carry_out, receive]
        for way in [*ways, receive]:
            await way(shop)
        assert [each["status"] for each in await rows(shop)] == ["cancelled"]
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "after its change was sent" in await shop.reason(CANCELLATION, row)
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


async def test_the_books_hold_no_customer(shop: Shop) -> None:
    order = an_order(shop)
    shop.market.customer_asks_to_cancel(ORDER)
    await receive(shop)
    shop.market.panel_cancels(ORDER)
    await shop.run(CANCELLATION, require_approval=True)
    await receive(shop)
    name = order["customer"]["name"]
    for table in ("emag_orders", "emag_cancellation_integrations", "emag_platform_cursors"):
        assert name not in str(await shop.sql(f"SELECT * FROM app.{table}"))
