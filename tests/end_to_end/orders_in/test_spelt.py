"""Rows of before the installation that name their order in another spelling."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from integrations.erp.rows import Kind
from integrations.erp.schema import read_schema
from integrations.ledger.database import rolled_back
from tests.end_to_end.conftest import Shop
from tests.end_to_end.orders_in.conftest import (
    CANCELLATION,
    JUICE,
    MUG,
    ORDER,
    an_order,
    mirrored,
    receive,
    rows,
    told,
)

SPELLINGS = [f" {ORDER}", f"{ORDER}\t", f"\xa0{ORDER}", f"000{ORDER}"]


async def of_before(
    shop: Shop, spelling: str, *items: dict[str, object], kind: Kind = CANCELLATION
) -> int:
    """A completed cancellation, or return, that our books know nothing of."""
    row = await shop.erp.add(kind, spelling, *items, status="completed")
    await shop.sql("DELETE FROM app.emag_changes")
    return row


class TestACancellationThatSpellsItsOrderOtherwise:
    @pytest.mark.parametrize("spelling", SPELLINGS)
    async def test_accounts_for_its_pieces_and_the_others_are_told(
        self, shop: Shop, spelling: str
    ) -> None:
        an_order(shop)
        await receive(shop)
        await of_before(shop, spelling, {"emag_item_id": str(MUG), "quantity": 1})
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await told(shop) == [
            ("completed", {MUG: 1}),
            ("completed", {MUG: 2, JUICE: 1}),
        ]
        assert (await mirrored(shop))["owed"] is False

    @pytest.mark.parametrize("spelling", SPELLINGS)
    async def test_of_the_whole_order_leaves_nothing_to_tell(
        self, shop: Shop, spelling: str
    ) -> None:
        an_order(shop)
        await receive(shop)
        row = await of_before(shop, spelling)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert [each["id"] for each in await rows(shop)] == [row]
        assert (await mirrored(shop))["owed"] is False

    async def test_has_its_part_of_a_refund(self, shop: Shop) -> None:
        line = {"id": MUG, "product_id": "1001", "quantity": 3}
        price = {"sale_price": "82.6446", "vat": "0.2100"}
        an_order(shop, products=[{**line, **price}])
        await receive(shop)
        await of_before(shop, f" {ORDER}", {"emag_item_id": str(MUG), "quantity": 1})
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        shop.market.emag_refunds_order(ORDER, Decimal("300.00"))
        await receive(shop)
        assert [row["refund_amount"] for row in await rows(shop)] == [100, 200]


class TestAReturnThatSpellsItsOrderOtherwise:
    @pytest.mark.parametrize("spelling", SPELLINGS)
    async def test_stands_for_the_pieces_that_came_back(self, shop: Shop, spelling: str) -> None:
        an_order(shop, status=4)
        await receive(shop)
        item = {"product_id": "1001", "quantity": 2}
        await of_before(shop, spelling, item, kind=Kind.RMA)
        shop.market.panel_stornoes(ORDER, "1001", 2)
        await receive(shop)
        assert await rows(shop) == []
        shop.market.panel_stornoes(ORDER, "1002", 1)
        await receive(shop)
        assert await told(shop) == [("completed", {JUICE: 1})]
        assert (await mirrored(shop))["owed"] is False


class TestAnInvoiceThatSpellsItsOrderOtherwise:
    @staticmethod
    async def of_before(shop: Shop, total: int, named: str | None, **fields: object) -> int:
        row = await shop.erp.add(Kind.INVOICE, named, total_amount=total, **fields)
        await shop.sql("DELETE FROM app.emag_changes")
        return row

    @staticmethod
    async def paid(shop: Shop, *invoices: int) -> list[tuple[str, Decimal]]:
        found = [await shop.erp.row(Kind.INVOICE, row) for row in invoices]
        return [(row["status"], row["paid_amount"]) for row in found]

    @pytest.mark.parametrize("spelling", SPELLINGS)
    async def test_is_paid_when_its_order_is(self, shop: Shop, spelling: str) -> None:
        row = await self.of_before(shop, 100, spelling)
        an_order(shop, payment_status=1, cashed_co=100)
        await receive(shop)
        assert await self.paid(shop, row) == [("paid", Decimal(100))]
        assert (await mirrored(shop))["owed"] is False

    @pytest.mark.parametrize("spelling", SPELLINGS)
    @pytest.mark.parametrize("named", [None, "", "\t"])
    async def test_in_the_column_of_its_own_order_is_paid_too(
        self, shop: Shop, spelling: str, named: str | None
    ) -> None:
        await shop.sql("ALTER TABLE app.invoices ALTER COLUMN order_id TYPE text")
        async with rolled_back(shop.channel.engine) as connection:
            channel = replace(shop.channel, schema=await read_schema(connection))
        row = await self.of_before(shop, 100, named, order_id=spelling)
        other = await self.of_before(shop, 100, "7", order_id=spelling)
        an_order(shop, payment_status=1, cashed_co=100)
        await receive(replace(shop, channel=channel))
        assert await self.paid(shop, row, other) == [("paid", Decimal(100)), ("issued", Decimal(0))]

    async def test_shares_what_was_paid_with_the_others(self, shop: Shop) -> None:
        first = await self.of_before(shop, 100, f"0{ORDER}")
        second = await self.of_before(shop, 50, str(ORDER))
        an_order(shop, payment_status=1, cashed_co=150)
        await receive(shop)
        assert await self.paid(shop, first, second) == [
            ("paid", Decimal(100)),
            ("paid", Decimal(50)),
        ]
