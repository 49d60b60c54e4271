"""Cancellations of before the installation that name their order in another spelling."""

from __future__ import annotations

from decimal import Decimal

import pytest

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


async def of_before(shop: Shop, spelling: str, *items: dict[str, object]) -> int:
    """A completed cancellation that our books know nothing of."""
    row = await shop.erp.add(CANCELLATION, spelling, *items, status="completed")
    await shop.sql("DELETE FROM app.emag_changes")
    return row


class TestARowThatSpellsItsOrderOtherwise:
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
