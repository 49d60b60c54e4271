"""An order of which something decisive can't be read is parked, and nothing is made of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.emag.routes import ORDER_READ
from integrations.erp.rows import Kind
from tests.end_to_end.conftest import Shop
from tests.end_to_end.orders_in.conftest import (
    ALL,
    CANCELLATION,
    JUICE,
    MUG,
    ORDER,
    an_order,
    at_emag,
    cancel_lately,
    mirrored,
    receive,
    rows,
    told,
)

OTHER = ORDER + 1

ABSENT = object()


async def sees(shop: Shop, **fields: Any) -> list[str]:
    """What a run parks of the order once eMAG shows it so; ABSENT leaves a field out."""
    order = at_emag(shop)
    for name, value in fields.items():
        if value is ABSENT:
            order.pop(name, None)
        else:
            order[name] = value
    shop.market.touch(order)
    receipt = await receive(shop)
    assert {each.emag_id for each in receipt.parked} <= {ORDER}
    return [each.reason for each in receipt.parked]


async def drift(shop: Shop) -> dict[str, str]:
    """What is noted of values that can't be read, by field."""
    noted = await shop.sql(
        "SELECT name, value FROM app.emag_drift WHERE route = :r AND what = :w",
        r=ORDER_READ.path,
        w="type",
    )
    return {row["name"]: row["value"] for row in noted}


class TestLines:
    @pytest.mark.parametrize(
        ("products", "shown"),
        [
            (None, "None"),
            (ABSENT, "None"),
            ([], "no product lines"),
            ({}, "no product lines"),
            ([None], "no product lines"),
            ("x", "a text of 1 characters"),
        ],
    )
    async def test_that_can_not_be_read_are_not_gone(
        self, shop: Shop, products: object, shown: str
    ) -> None:
        lines = an_order(shop)["products"]
        await receive(shop)
        cancel_lately(shop, OTHER, 1)
        problem = f"eMAG's order {ORDER} has an unusable products: {shown}"
        assert await sees(shop, products=products) == [problem]
        assert [row["emag_order_id"] for row in await rows(shop)] == [str(OTHER)]
        assert await drift(shop) == {"order products": shown}
        assert (await mirrored(shop))["problem"] == problem

        assert await sees(shop, products=lines) == []
        assert len(await rows(shop)) == 1
        assert (await mirrored(shop))["owed"] is False

    async def test_that_come_back_have_lost_what_is_cancelled_after_that(self, shop: Shop) -> None:
        lines = an_order(shop)["products"]
        await receive(shop)
        await sees(shop, products=None)
        await sees(shop, products=lines)
        shop.market.panel_removes(ORDER, "1001", 1)
        await receive(shop)
        assert await told(shop) == [("completed", {MUG: 1})]

    @pytest.mark.parametrize("change", [{"id": None}, {"quantity": "x"}, {"status": {}}])
    async def test_of_which_one_can_not_be_read_have_none_more_afterwards(
        self, shop: Shop, change: dict[str, Any]
    ) -> None:
        mug, juice = an_order(shop)["products"]
        await receive(shop)
        assert await sees(shop, products=[mug, {**juice, **change}]) != []
        assert await sees(shop, products=[mug, juice]) == []
        assert (await mirrored(shop))["lines"] == {str(MUG): 3, str(JUICE): 1}
        assert await rows(shop) == []

    @pytest.mark.parametrize("products", [[], {}])
    async def test_of_a_cancelled_order_may_be_gone(self, shop: Shop, products: object) -> None:
        an_order(shop)
        await receive(shop)
        assert await sees(shop, products=products, status=0) == []
        assert await told(shop) == [("completed", ALL)]

    async def test_of_a_cancelled_order_that_are_no_list_are_waited_for(self, shop: Shop) -> None:
        lines = an_order(shop)["products"]
        await receive(shop)
        assert await sees(shop, products=None, status=0) != []
        assert await sees(shop, products=lines) == []
        assert await told(shop) == [("completed", ALL)]

    @pytest.mark.parametrize("name", ["product_id", "initial_qty", "storno_qty"])
    async def test_with_an_id_or_pieces_of_another_type_are_parked_at_first_sight(
        self, shop: Shop, name: str
    ) -> None:
        an_order(shop)["products"][0][name] = {"value": 1}
        [problem] = await sees(shop)
        assert problem == f"eMAG's order {ORDER} has an unusable product line's {name}: an object"
        assert await drift(shop) == {f"order product line's {name}": "an object"}


class TestAStatus:
    @pytest.mark.parametrize(("status", "shown"), [(6, "6"), ("vier", "a text of 4 characters")])
    async def test_that_nobody_knows_does_not_say_that_the_order_goes_on(
        self, shop: Shop, status: object, shown: str
    ) -> None:
        an_order(shop, status=0)
        await receive(shop)
        problem = f"eMAG's order {ORDER} has an unusable status: {shown}"
        assert await sees(shop, status=status) == [problem]
        assert await told(shop) == [("completed", ALL)]
        assert await drift(shop) == {"order status": shown}

        assert await sees(shop, status=2) == []
        assert [row["status"] for row in await rows(shop)] == ["cancelled"]


class TestAWish:
    @pytest.mark.parametrize(
        ("value", "shown"), [({"date": "2026-11-28 10:00:00"}, "an object"), (True, "True")]
    )
    async def test_of_another_type_is_neither_one_nor_taken_back(
        self, shop: Shop, value: object, shown: str
    ) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        wish = at_emag(shop)["cancellation_request"]
        await receive(shop)
        problem = f"eMAG's order {ORDER} has an unusable cancellation_request: {shown}"
        assert await sees(shop, cancellation_request=value) == [problem]
        [row] = await rows(shop)
        assert (row["status"], row["internal_notes"]) == ("pending", None)

        await shop.erp.delete(CANCELLATION, row["id"])
        assert await sees(shop, cancellation_request=wish) == []
        assert await rows(shop) == []

    async def test_that_is_false_is_none(self, shop: Shop) -> None:
        an_order(shop)
        shop.market.customer_asks_to_cancel(ORDER)
        await receive(shop)
        assert await sees(shop, cancellation_request=False) == []
        assert [row["status"] for row in await rows(shop)] == ["cancelled"]


class TestMoney:
    @pytest.mark.parametrize(
        ("field", "value", "shown"),
        [
            ("payment_status", "paid", "a text of 4 characters"),
            ("payment_status", True, "True"),
            ("payment_status", {"id": 1}, "an object"),
            ("payment_status", 2, "2"),
            ("refund_status", {"id": 1}, "an object"),
            ("currency", "lei", "a text of 3 characters"),
            ("currency", 946, "946"),
        ],
    )
    async def test_that_can_not_be_read_is_parked_at_first_sight(
        self, shop: Shop, field: str, value: object, shown: str
    ) -> None:
        an_order(shop)
        invoice = await shop.erp.add(Kind.INVOICE, ORDER, pdf_url=shop.document("F-1"))
        problem = f"eMAG's order {ORDER} has an unusable {field}: {shown}"
        assert await sees(shop, **{field: value}) == [problem]
        assert await drift(shop) == {f"order {field}": shown}
        assert (await shop.erp.row(Kind.INVOICE, invoice))["status"] == "issued"

    @pytest.mark.parametrize("unsaid", [None, "", ABSENT])
    async def test_of_an_order_without_a_currency_is_in_that_of_its_lines(
        self, shop: Shop, unsaid: object
    ) -> None:
        for line in an_order(shop, status=0)["products"]:
            line["currency"] = "BGN"
        assert await sees(shop, currency=unsaid) == []
        assert [row["currency"] for row in await rows(shop)] == ["BGN"]

    async def test_that_no_currency_is_said_of_is_in_that_of_the_platform(self, shop: Shop) -> None:
        for line in an_order(shop, status=0)["products"]:
            del line["currency"]
        assert await sees(shop, currency=None) == []
        assert [row["currency"] for row in await rows(shop)] == ["RON"]

    @pytest.mark.parametrize(
        ("currencies", "shown"),
        [(("BGN", "RON"), "BGN and RON"), (("leva", None), "a text of 4 characters")],
    )
    async def test_of_lines_that_do_not_agree_is_parked(
        self, shop: Shop, currencies: tuple[str | None, ...], shown: str
    ) -> None:
        for line, currency in zip(an_order(shop, status=0)["products"], currencies, strict=True):
            line["currency"] = currency
        problem = f"eMAG's order {ORDER} has an unusable product line's currency: {shown}"
        assert await sees(shop, currency=None) == [problem]
        assert await rows(shop) == []
