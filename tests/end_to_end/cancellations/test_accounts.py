"""Which account carries a cancellation."""

from __future__ import annotations

import pytest

from tests.end_to_end.cancellations.cancelling import CANCELLATION, ORDER, cancelled
from tests.end_to_end.conftest import Shop


class TestAccounts:
    async def test_a_row_is_carried_by_the_account_it_names_in_any_case(
        self, shop: Shop, fbe: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 0, "type": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, account_type=" FBE ")
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "pending"
        assert shop.market.journal.requests == []
        await fbe.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"

    async def test_a_row_that_names_none_belongs_to_the_only_one(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, account_type=None)
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)

    async def test_a_row_of_an_unknown_account_waits_for_it(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, account_type="outlet")
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "waiting:account"
        assert "outlet" in await shop.reason(CANCELLATION, row)
        await shop.erp.update(CANCELLATION, row, account_type="main")
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)

    @pytest.mark.parametrize("gone", ["DELETE FROM", "TRUNCATE"])
    async def test_a_row_of_an_unknown_account_that_is_deleted_is_withdrawn(
        self, shop: Shop, gone: str
    ) -> None:
        row = await shop.erp.add(CANCELLATION, ORDER, account_type="outlet")
        await shop.run(CANCELLATION)
        cascade = "CASCADE" if gone == "TRUNCATE" else ""
        await shop.sql(f"{gone} app.cancellation_requests {cascade}")
        await shop.run(CANCELLATION)
        found = await shop.sql("SELECT * FROM app.emag_cancellation_integrations")
        assert [(each["cancellation_request_id"], each["sync_state"]) for each in found] == [
            (row, "withdrawn")
        ]

    async def test_a_row_whose_account_is_configured_later_is_carried_then(
        self, shop: Shop, fbe: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 0, "type": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, account_type="fbe")
        await shop.run(CANCELLATION, accounts={"main": shop.channel.account})
        assert await shop.state(CANCELLATION, row) == "waiting:account"
        await shop.later()
        await fbe.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
