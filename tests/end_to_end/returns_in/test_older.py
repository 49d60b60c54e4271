"""Pages of eMAG's returns that are older than what is known: they never undo it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.ledger.arrivals import Arrival, Arrived, Brought, bring_in
from integrations.ledger.engine import Engine
from tests.end_to_end.conftest import Shop
from tests.end_to_end.returns_in.returning import (
    RETURN,
    carry_out,
    mirrored,
    open_return,
    receive,
    row_of,
    take,
)


def remember(shop: Shop) -> None:
    """Have eMAG keep what was: it can only answer with what was while such a fault is loaded."""
    shop.market.faults.add("rma/read", kind="stale", return_ids=[RETURN + 1], times=None)


async def test_a_slow_page_that_is_overtaken_by_a_newer_one_undoes_nothing(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    shop.market.panel_moves_return(RETURN, 3)

    async def bring(engine: Engine, schema: ErpSchema, arrival: Arrival) -> Arrived:
        """Meanwhile another run reads the return, and is through before this one writes."""
        shop.market.courier_delivers_return(RETURN)
        assert (await take(shop)).brought[Kind.RMA] == {Brought.UPDATED: 1}
        return await bring_in(engine, schema, arrival)

    slow = replace(shop, channel=replace(shop.channel, bring=bring))
    assert (await take(slow)).brought[Kind.RMA] == {Brought.OVERTAKEN: 1}
    assert (await row_of(shop))["status"] == "processing"
    mirror = await mirrored(shop)
    assert (mirror["status"], mirror["owed"]) == (6, False)


async def test_an_answer_from_before_our_own_request_undoes_nothing(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    await shop.erp.update(Kind.RMA, (await row_of(shop))["id"], status="processing")
    remember(shop)
    await carry_out(shop)
    shop.market.faults.add("rma/read", kind="stale", effects=1)
    assert (await take(shop)).brought[Kind.RMA] == {Brought.OVERTAKEN: 1}
    assert (await row_of(shop))["status"] == "processing"
    assert (await mirrored(shop))["owed"]
    assert (await receive(shop)).brought[Kind.RMA] == {Brought.SAME: 1}
    assert not (await mirrored(shop))["owed"]


@pytest.mark.parametrize("ends", [4, 7])
async def test_an_answer_from_before_what_was_seen_last_undoes_nothing(
    shop: Shop, ends: int
) -> None:
    open_return(shop, request_status=6)
    await take(shop)
    remember(shop)
    shop.market.panel_moves_return(RETURN, ends)
    await receive(shop)
    before = await row_of(shop)
    shop.market.faults.add("rma/read", kind="stale", effects=1)
    assert (await take(shop)).brought[Kind.RMA] == {Brought.OVERTAKEN: 1}
    after = await row_of(shop)
    assert (after["status"], after["emag_status"]) == (before["status"], before["emag_status"])
    await receive(shop)
    assert not (await mirrored(shop))["owed"]


async def test_a_return_that_is_so_for_long_did_go_back(shop: Shop) -> None:
    open_return(shop, request_status=6)
    await take(shop)
    shop.market.the_return(RETURN)["request_status"] = 3
    assert (await take(shop)).brought[Kind.RMA] == {Brought.OVERTAKEN: 1}
    await shop.sql("UPDATE app.emag_returns SET changed_at = changed_at - interval '9 s'")
    assert (await take(shop)).brought[Kind.RMA] == {Brought.UPDATED: 1}
    assert (await row_of(shop))["status"] == "approved"
    assert not (await mirrored(shop))["owed"]
