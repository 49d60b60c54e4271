"""Refunds of returns that are closed already."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from integrations.sync.channel import Tally
from integrations.sync.receive_orders import receive_orders
from tests.end_to_end.conftest import Shop
from tests.end_to_end.returns_in.returning import (
    ORDER,
    RETURN,
    asked,
    changes,
    long_ago,
    mirrored,
    open_return,
    receive,
    row_of,
    take,
)


async def hours_pass(shop: Shop, hours: float) -> None:
    """Everything that the mirror knows of returns happened some hours earlier."""
    times = ("read_at", "changed_at", "next_at", "refund_since", "refund_at")
    earlier = ", ".join(f"{name} = {name} - make_interval(secs => :secs)" for name in times)
    await shop.sql(f"UPDATE app.emag_returns SET {earlier}", secs=hours * 3600)


def shown(shop: Shop, emag_id: int = RETURN) -> int:
    """How often eMAG has shown this return, and no other beside it."""
    return sum(each.return_ids == [emag_id] for each in shop.market.journal.requests)


async def closed_return(shop: Shop, **fields: Any) -> None:
    """A return that was open when it was read first and is finalized, without a refund yet."""
    open_return(shop, date=long_ago(shop), request_status=6, return_type=3, **fields)
    await receive(shop)
    shop.market.panel_moves_return(RETURN, 7)
    await receive(shop)
    assert (await row_of(shop))["refund_processed"] is False


class TestARefundAfterTheEnd:
    """Of a return that is closed already."""

    async def test_comes_in_without_anybody_asking_for_it(self, swift: Shop) -> None:
        await closed_return(swift)
        swift.market.emag_refunds_return(RETURN, "49.90")
        await hours_pass(swift, 6.5)
        receipt = await receive(swift)
        assert receipt.brought[Kind.RMA] == {Brought.UPDATED: 1}
        row = await row_of(swift)
        assert (row["refund_amount"], row["refund_processed"]) == (Decimal("49.90"), True)
        assert await changes(swift) == []

    async def test_is_looked_for_until_it_is_seen_and_then_no_more(self, swift: Shop) -> None:
        await closed_return(swift)
        swift.market.emag_refunds_return(RETURN)
        await hours_pass(swift, 7)
        await receive(swift)
        before = asked(swift)
        await receive(swift)
        quiet = asked(swift) - before
        await hours_pass(swift, 24 * 40)
        before = asked(swift)
        await receive(swift)
        assert asked(swift) - before == quiet
        assert (await mirrored(swift))["refund_at"] is None

    async def test_is_not_looked_for_in_every_run(self, swift: Shop) -> None:
        await closed_return(swift)
        before = shown(swift)
        await receive(swift)
        await hours_pass(swift, 5)
        await receive(swift)
        assert shown(swift) == before

    async def test_that_never_comes_costs_so_many_reads_and_not_one_more(self, swift: Shop) -> None:
        await closed_return(swift)
        before = shown(swift)
        for _ in range(60 * 4):
            await hours_pass(swift, 6)
            due = "SELECT 1 FROM app.emag_returns WHERE refund_at <= clock_timestamp()"
            if await swift.sql(due):
                await receive(swift)
        assert 15 <= shown(swift) - before <= 21
        assert (await mirrored(swift))["owed"] is False

    async def test_that_is_asked_for_but_not_paid_is_awaited_further(self, swift: Shop) -> None:
        await closed_return(swift)
        rma = swift.market.returns.get(RETURN)
        assert rma is not None
        swift.market.emag_refunds_return(RETURN, "20.00")
        [request] = rma["status_history"][-1]["requests"]
        request["refund_status"] = "pending"
        await hours_pass(swift, 7)
        await receive(swift)
        assert (await row_of(swift))["refund_processed"] is False
        request["refund_status"] = "refunded"
        await hours_pass(swift, 7)
        await receive(swift)
        assert (await row_of(swift))["refund_processed"] is True

    async def test_that_shows_in_the_order_is_looked_for_at_once(self, swift: Shop) -> None:
        await closed_return(swift)
        swift.market.emag_refunds_order(ORDER, "49.90")
        swift.market.emag_refunds_return(RETURN, "49.90")
        await receive_orders(replace(swift.channel, tally=Tally()))
        await receive(swift)
        assert (await row_of(swift))["refund_processed"] is True

    @pytest.mark.parametrize("return_type", [1, 2])
    async def test_is_not_expected_for_goods_that_are_exchanged(
        self, swift: Shop, return_type: int
    ) -> None:
        open_return(swift, date=long_ago(swift), request_status=7, return_type=return_type)
        await take(swift)
        assert (await mirrored(swift))["refund_at"] is None

    async def test_is_not_expected_of_what_was_refused_or_cancelled(self, swift: Shop) -> None:
        for status in (4, 5):
            open_return(swift, RETURN + status, request_status=status)
        await take(swift)
        awaited = await swift.sql("SELECT 1 FROM app.emag_returns WHERE refund_at IS NOT NULL")
        assert awaited == []

    async def test_is_not_looked_for_in_history_that_is_older(self, swift: Shop) -> None:
        old = swift.market.now() - timedelta(days=46)
        open_return(swift, date=old, request_status=7, return_type=3)
        await take(swift)
        assert (await mirrored(swift))["refund_at"] is None

    async def test_of_a_return_that_emag_no_longer_shows_is_no_problem(self, swift: Shop) -> None:
        await closed_return(swift)
        swift.market.returns.clear()
        await hours_pass(swift, 7)
        before = asked(swift)
        receipt = await receive(swift)
        assert (receipt.parked, (await mirrored(swift))["owed"]) == ([], False)
        vain = asked(swift) - before
        before = asked(swift)
        await receive(swift)
        assert asked(swift) - before < vain

    async def test_leaves_what_the_erp_noted_itself_alone_while_nothing_is_seen(
        self, swift: Shop
    ) -> None:
        await closed_return(swift)
        row = await row_of(swift)
        await swift.erp.update(Kind.RMA, row["id"], refund_processed=True, refund_amount=5)
        await hours_pass(swift, 7)
        await receive(swift)
        now = await row_of(swift)
        assert (now["refund_processed"], now["refund_amount"]) == (True, 5)
