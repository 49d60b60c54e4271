"""Pieces that an order loses at eMAG become cancellations of just these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.ledger.arrivals import Arrival, Arrived, bring_in
from integrations.ledger.engine import Engine
from integrations.ledger.mirror_orders import owe
from tests.end_to_end.conftest import Shop
from tests.end_to_end.orders_in.conftest import (
    ALL,
    CANCELLATION,
    JUICE,
    LINES,
    MUG,
    ORDER,
    an_order,
    at_emag,
    carry_out,
    mirrored,
    number,
    receive,
    rows,
    told,
)


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

    @pytest.mark.parametrize("how", ["deletes", "truncates"])
    @pytest.mark.parametrize("items", [(), ({"emag_item_id": str(MUG), "quantity": 1},)])
    async def test_that_the_erp_cancelled_itself_are_not_told_when_it_forgets_its_row(
        self, shop: Shop, how: str, items: Sequence[Mapping[str, object]]
    ) -> None:
        an_order(shop)
        await receive(shop)
        row = await shop.erp.add(CANCELLATION, ORDER, *items)
        await carry_out(shop)
        await receive(shop)
        if how == "deletes":
            await shop.erp.delete(CANCELLATION, row)
        else:
            await shop.sql("TRUNCATE app.cancellation_items, app.cancellation_requests")
        await carry_out(shop)
        at_emag(shop)["payment_status"] = 1
        shop.market.touch(at_emag(shop))
        receipt = await receive(shop)
        assert receipt.changed == 1
        assert await rows(shop) == []

    async def test_are_told_where_the_erp_deletes_a_row_that_emag_never_had(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        await receive(shop)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION, require_approval=True)
        await shop.erp.delete(CANCELLATION, row)
        await carry_out(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await told(shop) == [("completed", ALL)]

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


class TestPiecesThatAnOrderGains:
    """Until it is shipped, an order can be given more pieces, and further lines."""

    @staticmethod
    async def more_mugs(shop: Shop) -> None:
        """The order is seen with three mugs and then with five; eMAG calls three its first."""
        an_order(shop)
        await receive(shop)
        at_emag(shop)["products"][0]["quantity"] = 5
        shop.market.touch(at_emag(shop))
        await receive(shop)
        assert await rows(shop) == []

    async def test_are_in_the_cancellation_of_the_order(self, shop: Shop) -> None:
        await self.more_mugs(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await told(shop) == [("completed", {MUG: 5, JUICE: 1})]

    async def test_are_told_when_they_go_again(self, shop: Shop) -> None:
        await self.more_mugs(shop)
        shop.market.panel_removes(ORDER, "1001", 2)
        await receive(shop)
        assert await told(shop) == [("completed", {MUG: 2})]

    async def test_after_others_went_are_told_when_they_go_again(self, shop: Shop) -> None:
        await self.changing(shop, 3, 2, 4, 3)
        assert await told(shop) == [("completed", {MUG: 1})] * 2
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert (await told(shop))[2:] == [("completed", {MUG: 3, JUICE: 1})]

    @pytest.mark.parametrize(
        ("held", "gone"),
        [
            ((3, 2, 3, 2), [1, 1]),
            ((3, 0, 2, 1), [3, 1]),
            ((3, 2, 3), [1]),
            ((3, 5, 4, 6, 3), [1, 3]),
        ],
    )
    async def test_are_no_cancellation_and_each_that_goes_is_told_once(
        self, shop: Shop, held: Sequence[int], gone: Sequence[int]
    ) -> None:
        await self.changing(shop, *held)
        assert await told(shop) == [("completed", {MUG: pieces}) for pieces in gone]
        await owe(shop.channel.engine, shop.channel.account.platform, [ORDER])
        await receive(shop)
        assert len(await rows(shop)) == len(gone)

    async def test_beside_a_cancellation_of_the_erps_are_told_when_they_go(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        await receive(shop)
        await shop.erp.add(CANCELLATION, ORDER, {"emag_item_id": str(MUG), "quantity": 1})
        await carry_out(shop)
        await self.changing(shop, 2, 4, 3)
        assert [pieces for _, pieces in await told(shop)] == [{MUG: 1}, {MUG: 1}]

    @pytest.mark.parametrize("dies", ["before", "after"])
    async def test_and_that_go_are_told_once_though_a_worker_dies(
        self, shop: Shop, dies: str
    ) -> None:
        async def killed(engine: Engine, schema: ErpSchema, arrival: Arrival) -> Arrived:
            """Between the mirror, which has it, and the ERP or the note that the ERP has it."""
            if dies == "after":
                await bring_in(engine, schema, arrival)
            raise ConnectionAbortedError("this worker was killed")

        await self.changing(shop, 3, 2, 4)
        self.hold(shop, 3)
        with pytest.raises(ConnectionAbortedError):
            await receive(shop, bring=killed)
        await receive(shop)
        assert await told(shop) == [("completed", {MUG: 1})] * 2
        assert (await mirrored(shop))["owed"] is False

    async def test_while_nobody_told_the_erp_of_others_are_all_told(self, shop: Shop) -> None:
        async def killed(engine: Engine, schema: ErpSchema, arrival: Arrival) -> Arrived:
            raise ConnectionAbortedError("this worker was killed")

        an_order(shop)
        await receive(shop)
        self.hold(shop, 2)
        with pytest.raises(ConnectionAbortedError):
            await receive(shop, bring=killed)
        self.hold(shop, 4)
        with pytest.raises(ConnectionAbortedError):
            await receive(shop, bring=killed)
        self.hold(shop, 3)
        await receive(shop)
        assert await told(shop) == [("completed", {MUG: 2})]

    async def test_to_an_order_of_before_that_was_noted_are_no_cancellation(
        self, shop: Shop
    ) -> None:
        await self.changing(shop, 3, 2)
        await shop.sql("UPDATE app.emag_orders SET held = NULL")
        await self.changing(shop, 2, 4, 5)
        assert await told(shop) == [("completed", {MUG: 1})]
        await self.changing(shop, 4)
        assert await told(shop) == [("completed", {MUG: 1})] * 2

    async def test_only_seemingly_because_a_read_lags_are_none(self, shop: Shop) -> None:
        an_order(shop, modified=shop.market.now() - timedelta(hours=1))
        await receive(shop)
        shop.market.faults.add("order/read", kind="stale", order_ids=[1], times=None)
        shop.market.panel_removes(ORDER, "1001", 1)
        await receive(shop)
        assert await told(shop) == [("completed", {MUG: 1})]
        shop.market.faults.add("order/read", kind="stale", effects=1)
        assert (await receive(shop)).changed == 1
        assert (await receive(shop)).changed == 1
        assert await told(shop) == [("completed", {MUG: 1})]

    async def test_are_none_where_a_cancelled_order_comes_back(self, shop: Shop) -> None:
        await self.changing(shop, 3, 2)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        shop.market.panel_restores(ORDER)
        await receive(shop)
        assert await told(shop) == [
            ("completed", {MUG: 1}),
            ("cancelled", {MUG: 2, JUICE: 1}),
        ]

    async def changing(self, shop: Shop, *held: int) -> None:
        """The order is seen with so many mugs, one after the other."""
        if ORDER not in shop.market.orders:
            an_order(shop)
        for pieces in held:
            self.hold(shop, pieces)
            await receive(shop)

    @staticmethod
    def hold(shop: Shop, pieces: int) -> None:
        line = at_emag(shop)["products"][0]
        line["quantity"] = pieces
        line["status"] = int(pieces > 0)
        shop.market.touch(at_emag(shop))

    async def test_on_a_line_of_their_own_are_in_the_cancellation_of_the_order(
        self, shop: Shop
    ) -> None:
        an_order(shop)
        await receive(shop)
        line = {**at_emag(shop)["products"][0], "id": 13, "product_id": "1003"}
        at_emag(shop)["products"].append({**line, "quantity": 2, "initial_qty": 0})
        shop.market.touch(at_emag(shop))
        await receive(shop)
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await told(shop) == [("completed", {**ALL, 13: 2})]
