"""Which of the ERP's rows are carried, which are withdrawn, and which name no order."""

from __future__ import annotations

import pytest

from integrations.ledger.status import read_inbox
from tests.end_to_end.cancellations.cancelling import CANCELLATION, ORDER, cancelled, order
from tests.end_to_end.conftest import Shop


class TestTheOrdersNumber:
    async def test_blanks_around_it_are_ignored(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, f"\t {ORDER}  ")
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)

    async def test_the_largest_number_is_an_order(self, shop: Shop) -> None:
        shop.market.add_order({"id": 4294967295, "status": 2})
        row = await shop.erp.add(CANCELLATION, 4294967295)
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row, 4294967295)

    async def test_what_is_no_number_of_an_order_is_refused_without_a_request(
        self, shop: Shop
    ) -> None:
        nonsense = [None, "", "  ", "abc", "0", "-5", "4294967296", "48000010.1", f"{ORDER} x"]
        rows = [await shop.erp.add(CANCELLATION, each) for each in nonsense]
        await shop.run(CANCELLATION)
        assert [await shop.state(CANCELLATION, row) for row in rows] == ["refused"] * len(rows)
        assert "emag_order_id" in await shop.reason(CANCELLATION, rows[3])
        assert shop.market.journal.requests == []

    async def test_one_that_emag_does_not_know_is_asked_for_as_both_types_and_refused(
        self, shop: Shop
    ) -> None:
        row = await shop.erp.add(CANCELLATION, ORDER)
        report = await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "not known at eMAG" in await shop.reason(CANCELLATION, row)
        assert report.requests == {"order/read": 2}


class TestWhatIsQueued:
    async def test_pending_and_approved_cancellations(self, shop: Shop) -> None:
        words = ["pending", "approved", "rejected", "processing", "completed", "cancelled", "?"]
        rows = {word: await shop.erp.add(CANCELLATION, ORDER, status=word) for word in words}
        shop.market.add_order({"id": ORDER, "status": 0})
        await shop.run(CANCELLATION)
        assert await shop.queued(CANCELLATION) == {rows["pending"], rows["approved"]}

    async def test_only_approved_ones_by_setting(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, status="pending")
        await shop.run(CANCELLATION, require_approval=True)
        assert await shop.queued(CANCELLATION) == set()
        await shop.erp.update(CANCELLATION, row, status="approved")
        await shop.run(CANCELLATION, require_approval=True)
        assert await cancelled(shop, row)

    async def test_once_queued_a_status_that_moves_on_does_not_withdraw(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        shop.market.faults.add("order/read", kind="forbidden")
        await shop.run(CANCELLATION)
        await shop.erp.update(CANCELLATION, row, status="completed")
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)


class TestWithdrawing:
    @pytest.mark.parametrize("word", ["rejected", "cancelled", None])
    async def test_before_anything_was_sent_the_row_is_withdrawn(
        self, shop: Shop, word: str | None
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        shop.market.faults.add("order/read", kind="forbidden")
        await shop.run(CANCELLATION)
        if word is None:
            await shop.erp.delete(CANCELLATION, row)
        else:
            await shop.erp.update(CANCELLATION, row, status=word)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "withdrawn"
        assert order(shop)["status"] == 2

    async def test_after_it_was_sent_the_row_is_refused_with_both_sides_shown(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        await shop.erp.update(CANCELLATION, row, status="rejected")
        report = await shop.run(CANCELLATION)
        reason = await shop.reason(CANCELLATION, row)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert ("rejected" in reason, "0 canceled" in reason) == (True, True)
        assert report.exit_code == 1

    async def test_a_row_deleted_while_its_answer_was_lost_is_refused_with_both_sides_shown(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        shop.market.faults.add("order/save", point="after_effect", kind="cut_body")
        await shop.run(CANCELLATION)
        await shop.erp.delete(CANCELLATION, row)
        await shop.later()
        await shop.run(CANCELLATION)
        reason = await shop.reason(CANCELLATION, row)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert ("deleted" in reason, "0 canceled" in reason) == (True, True)

    @pytest.mark.parametrize("folded", [False, True])
    async def test_replaying_such_a_row_hides_nothing_before_it_is_settled(
        self, shop: Shop, folded: bool
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        shop.market.faults.add("order/save", point="after_effect", kind="cut_body")
        await shop.run(CANCELLATION)
        await shop.erp.delete(CANCELLATION, row)
        if folded:
            await shop.run(CANCELLATION)
        await shop.replay(CANCELLATION, row)
        await shop.later()
        await shop.run(CANCELLATION)
        [entry] = await read_inbox(shop.channel.engine)
        assert (entry.row_id, entry.order_id) == (row, ORDER)
        assert "0 canceled" in entry.reason
        await shop.replay(CANCELLATION, row)
        assert await read_inbox(shop.channel.engine) == []

    async def test_replaying_a_deleted_row_that_waits_withdraws_it(self, shop: Shop) -> None:
        row = await shop.erp.add(CANCELLATION, ORDER, account_type="outlet")
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "waiting:account"
        await shop.erp.delete(CANCELLATION, row)
        await shop.replay(CANCELLATION, row)
        await shop.run(CANCELLATION)
        books = "SELECT sync_state FROM app.emag_cancellation_integrations"
        assert await shop.sql(books) == [{"sync_state": "withdrawn"}]
