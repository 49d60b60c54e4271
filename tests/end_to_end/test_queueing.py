"""What becomes of an ERP row before any plan: one that is held back, moved, gone, or unfit."""

from __future__ import annotations

import psycopg
import pytest

from integrations.emag.accounts import Account
from integrations.erp.rows import Kind
from integrations.ledger.adopt import adopt
from integrations.ledger.database import autocommit
from integrations.ledger.matters import held_of
from integrations.ledger.prospects import prospects
from integrations.sandbox.market import Market
from migrations.run import upgrade
from tests.end_to_end.cancellations.cancelling import (
    CANCELLATION,
    LINES,
    MUG,
    ORDER,
    ago,
    cancelled,
    order,
    pieces,
)
from tests.end_to_end.conftest import FILLED_FIRST, Shop, open_shop
from tests.migrations import existing_erp

OTHER = ORDER + 7


class TestHeldBack:
    """Nothing goes out that the ERP has not let go, or no longer does."""

    @pytest.mark.parametrize("between", ["rejected", None])
    async def test_an_approval_that_is_taken_back_before_anything_was_sent(
        self, shop: Shop, between: str | None
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, status="approved")
        shop.market.faults.add("order/read", kind="forbidden")
        await shop.run(CANCELLATION, require_approval=True)
        for status in filter(None, (between, "pending")):
            await shop.erp.update(CANCELLATION, row, status=status)
            await shop.later()
            await shop.run(CANCELLATION, require_approval=True)
        assert await shop.state(CANCELLATION, row) == "withdrawn"
        assert order(shop)["status"] == 2
        async with autocommit(shop.channel.engine) as connection:
            assert (await held_of(connection)).rows == 1

        await shop.erp.update(CANCELLATION, row, status="approved")
        await shop.run(CANCELLATION, require_approval=True)
        assert await cancelled(shop, row)

    async def test_the_setting_that_is_switched_on_while_rows_wait(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, status="pending")
        shop.market.faults.add("order/read", kind="forbidden")
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "pending"
        await shop.later()
        await shop.run(CANCELLATION, require_approval=True)
        assert await shop.state(CANCELLATION, row) == "withdrawn"
        assert order(shop)["status"] == 2

    async def test_a_refused_row_that_is_corrected_and_put_up_for_approval(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, 7, status="approved")
        await shop.run(CANCELLATION, require_approval=True)
        await shop.erp.update(CANCELLATION, row, status="pending", emag_order_id=str(ORDER))
        await shop.run(CANCELLATION, require_approval=True)
        assert order(shop)["status"] == 2

    async def test_a_row_that_the_erp_moves_on_after_it_was_approved_is_carried(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, status="approved")
        shop.market.faults.add("order/read", kind="forbidden")
        await shop.run(CANCELLATION, require_approval=True)
        await shop.erp.update(CANCELLATION, row, status="processing")
        await shop.later()
        await shop.run(CANCELLATION, require_approval=True)
        assert await cancelled(shop, row)

    async def test_an_invoice_that_becomes_a_draft_again(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 4})
        row = await shop.erp.add(Kind.INVOICE, ORDER)
        await shop.run(Kind.INVOICE)
        assert await shop.state(Kind.INVOICE, row) == "waiting:document"
        await shop.erp.update(Kind.INVOICE, row, status="draft", pdf_url=shop.document("F"))
        await shop.run(Kind.INVOICE)
        assert await shop.state(Kind.INVOICE, row) == "withdrawn"
        assert order(shop)["attachments"] == []

        await shop.erp.update(Kind.INVOICE, row, status="issued")
        await shop.run(Kind.INVOICE)
        assert await shop.state(Kind.INVOICE, row) == "synced"

    async def test_a_dry_run_says_nothing_of_it(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER, status="approved")
        shop.market.faults.add("order/read", kind="forbidden")
        await shop.run(CANCELLATION, require_approval=True)
        await shop.erp.update(CANCELLATION, row, status="pending")
        channel = shop.channel
        found = await prospects(
            channel.engine,
            channel.schema,
            channel.accounts,
            channel.account,
            CANCELLATION,
            10,
            require_approval=True,
        )
        assert (found.claims, found.unusable) == ([], [])


class TestMoved:
    """A row that comes to name another order or account begins anew, or a person is asked."""

    async def test_a_corrected_order_of_which_nothing_was_sent_is_cancelled(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 0})
        shop.market.add_order({"id": OTHER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        await shop.erp.update(CANCELLATION, row, emag_order_id=str(OTHER))
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row, OTHER)

    async def test_a_corrected_order_after_one_was_sent_takes_one_replay(self, shop: Shop) -> None:
        for each in (ORDER, OTHER):
            shop.market.add_order({"id": each, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        await shop.erp.update(CANCELLATION, row, emag_order_id=str(OTHER))
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert order(shop, OTHER)["status"] == 2
        await shop.replay(CANCELLATION, row)
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row, OTHER)

    async def test_a_row_in_doubt_that_names_an_unknown_account_is_settled_and_waits(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        shop.market.faults.add("order/save", point="after_effect", kind="cut_body")
        await shop.run(CANCELLATION)
        await shop.erp.update(CANCELLATION, row, account_type="outlet")
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "in_doubt"
        await shop.later()
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "waiting:account"
        await shop.erp.update(CANCELLATION, row, account_type="main")
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)
        assert len(shop.market.journal.effects_of(by="seller")) == 1


class TestGone:
    async def test_what_a_truncation_took_is_history(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2, "products": LINES})
        row = await shop.erp.add(CANCELLATION, ORDER, {"emag_item_id": str(MUG), "quantity": 1})
        await shop.run(CANCELLATION)
        await shop.sql("TRUNCATE app.cancellation_requests RESTART IDENTITY CASCADE")
        await shop.run(CANCELLATION)
        again = await shop.erp.add(CANCELLATION, ORDER, {"emag_item_id": str(MUG), "quantity": 1})
        assert again == row
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, again) == "synced"
        assert pieces(shop)[MUG] == 1


class TestUnfit:
    """A row that our books can't hold keeps no other from being queued."""

    @pytest.mark.parametrize("number", ["", "7003"])
    async def test_one_return_that_an_earlier_integration_linked_twice(
        self, bare_database_url: str, market: Market, account: Account, number: str
    ) -> None:
        existing_erp.install(bare_database_url)
        with psycopg.connect(bare_database_url, autocommit=True) as connection:
            for row_id in (3, 4):
                connection.execute(
                    "INSERT INTO app.emag_return_integrations (return_request_id, emag_return_id,"
                    " emag_status, sync_attempts, account_type, created_at, updated_at)"
                    " VALUES (%s, %s, 'NEW', 5, 'main', '2026-10-04', '2026-10-04')",
                    [row_id, number],
                )
        upgrade(bare_database_url)
        async with open_shop(bare_database_url, market, account) as shop:
            shop.erp.filled = FILLED_FIRST
            await adopt(shop.channel.engine, ago(days=3000).date(), [Kind.RMA])
            market.add_order({"id": ORDER, "status": 2})
            row = await shop.erp.add(CANCELLATION, ORDER)
            await shop.run(CANCELLATION)
            assert await cancelled(shop, row)
            states = {await shop.state(Kind.RMA, each) for each in (3, 4)}
            if number:
                assert "refused" in states
                reasons = [await shop.reason(Kind.RMA, each) for each in (3, 4)]
                assert any("belongs to another row" in reason for reason in reasons)
            assert await shop.sql("SELECT * FROM app.emag_changes") == []

    async def test_an_id_that_our_books_are_too_narrow_for_is_kept(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        await shop.sql(
            "ALTER TABLE app.emag_cancellation_integrations"
            " ALTER COLUMN cancellation_request_id TYPE integer"
        )
        for each in (ORDER, OTHER):
            shop.market.add_order({"id": each, "status": 2})
        large = await shop.erp.add(CANCELLATION, ORDER, id=3_000_000_000)
        row = await shop.erp.add(CANCELLATION, OTHER)
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row, OTHER)
        kept = await shop.sql("SELECT DISTINCT row_id FROM app.emag_changes")
        assert kept == [{"row_id": large}]
        assert f"cancellation:{large} can't be queued" in caplog.text
        await shop.sql(
            "ALTER TABLE app.emag_cancellation_integrations"
            " ALTER COLUMN cancellation_request_id TYPE bigint"
        )
        await shop.run(CANCELLATION)
        assert await cancelled(shop, large)

    @pytest.mark.parametrize(
        "change", ["'return', 5", "'Cancellation', 5", "'refund', NULL", "'cancellation', 5"]
    )
    async def test_changes_that_an_erp_with_views_notes_itself(
        self, shop: Shop, change: str
    ) -> None:
        await shop.sql(f"INSERT INTO app.emag_changes (kind, row_id) VALUES ({change})")
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        assert await cancelled(shop, row)


async def test_a_clock_that_was_set_back_holds_up_no_change(shop: Shop) -> None:
    shop.market.add_order({"id": ORDER, "status": 2})
    row = await shop.erp.add(CANCELLATION, ORDER)
    await shop.sql("UPDATE app.emag_changes SET seen_at = clock_timestamp() + interval '1 hour'")
    await shop.run(CANCELLATION)
    assert await cancelled(shop, row)
