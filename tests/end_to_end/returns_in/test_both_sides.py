"""A return that both the ERP and eMAG change: who decided first, and which row is whose."""

from __future__ import annotations

from decimal import Decimal

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from integrations.ledger.database import transaction
from integrations.ledger.sweep import sweep
from tests.end_to_end.conftest import Shop
from tests.end_to_end.returns_in.returning import (
    ORDER,
    RETURN,
    carry_out,
    changes,
    mirrored,
    open_return,
    row_of,
    rows,
    status_at_emag,
    take,
    writes,
)


async def test_a_known_return_follows_emag_and_nothing_of_it_is_sent_back(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    shop.market.courier_delivers_return(RETURN)
    receipt = await take(shop)
    assert receipt.brought[Kind.RMA] == {Brought.UPDATED: 1}
    row = await row_of(shop)
    assert (row["status"], row["emag_status"]) == ("processing", "in_progress")
    assert await changes(shop) == []
    assert (await shop.run(Kind.RMA)).rows == {}
    assert writes(shop) == 0


async def test_what_did_not_change_costs_the_erp_nothing(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    before = await row_of(shop)
    receipt = await take(shop)
    assert (receipt.read, receipt.changed, receipt.brought) == (1, 0, {})
    assert await row_of(shop) == before


async def test_what_the_erp_decided_first_stands_and_reaches_emag(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    row = await row_of(shop)
    await shop.erp.update(Kind.RMA, row["id"], status="approved")
    shop.market.emag_refunds_return(RETURN, "10.00")
    receipt = await take(shop)
    assert receipt.brought[Kind.RMA] == {Brought.UNSENT: 1}
    now = await row_of(shop)
    assert (now["status"], now["refund_amount"]) == ("approved", Decimal("10.00"))
    await carry_out(shop)
    assert status_at_emag(shop) == 3
    assert (await take(shop)).brought[Kind.RMA] == {Brought.SAME: 1}
    assert not (await mirrored(shop))["owed"]


async def test_what_the_erp_decided_unseen_by_any_trigger_stands_and_reaches_emag(
    shop: Shop,
) -> None:
    open_return(shop)
    await take(shop)
    async with transaction(shop.channel.engine) as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE app.return_requests SET status = 'approved'")
    assert await changes(shop) == []
    shop.market.emag_refunds_return(RETURN, "10.00")
    assert (await take(shop)).brought[Kind.RMA] == {Brought.UNSENT: 1}
    now = await row_of(shop)
    assert (now["status"], now["refund_amount"]) == ("approved", Decimal("10.00"))
    await carry_out(shop)
    assert status_at_emag(shop) == 3
    assert (await take(shop)).brought[Kind.RMA] == {Brought.SAME: 1}


async def test_what_emag_decided_first_is_what_the_erp_then_changes(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    shop.market.courier_delivers_return(RETURN)
    await take(shop)
    row = await row_of(shop)
    await shop.erp.update(Kind.RMA, row["id"], status="completed")
    await carry_out(shop)
    assert status_at_emag(shop) == 7
    assert (await take(shop)).brought[Kind.RMA] == {Brought.SAME: 1}
    assert (await row_of(shop))["status"] == "completed"


async def test_a_contradiction_shows_both_sides_and_is_left_to_a_person(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    row = await row_of(shop)
    shop.market.customer_cancels_return(RETURN)
    await shop.erp.update(Kind.RMA, row["id"], status="approved")
    assert (await take(shop)).brought[Kind.RMA] == {Brought.UNSENT: 1}
    await carry_out(shop)
    assert await shop.state(Kind.RMA, row["id"]) == "refused"
    assert "The ERP wants approved, eMAG has" in await shop.reason(Kind.RMA, row["id"])
    assert (await take(shop)).brought[Kind.RMA] == {Brought.KEPT: 1}
    now = await row_of(shop)
    assert (now["status"], now["emag_status"]) == ("approved", "cancelled")


async def test_a_row_that_waits_for_a_return_gets_it_and_no_second_row_appears(shop: Shop) -> None:
    shop.market.add_order({"id": ORDER, "status": 4})
    row_id = await shop.erp.add(Kind.RMA, ORDER, {"product_id": "1001"})
    await carry_out(shop)
    assert await shop.state(Kind.RMA, row_id) == "waiting:emag_return"
    open_return(shop, products=[{"product_id": "1001"}])
    assert (await take(shop)).brought[Kind.RMA] == {Brought.UNSENT: 1}
    await carry_out(shop)
    assert await shop.state(Kind.RMA, row_id) == "synced"
    assert (await take(shop)).brought[Kind.RMA] == {Brought.SAME: 1}
    [row] = await rows(shop)
    assert (row["id"], row["emag_return_id"], row["status"]) == (row_id, str(RETURN), "approved")


async def test_the_number_that_we_write_into_a_row_is_no_change_that_slipped_through(
    shop: Shop,
) -> None:
    open_return(shop, products=[{"product_id": "1001"}])
    row_id = await shop.erp.add(Kind.RMA, ORDER, {"product_id": "1001"})
    await carry_out(shop)
    assert (await shop.state(Kind.RMA, row_id), (await row_of(shop))["emag_return_id"]) == (
        "synced",
        str(RETURN),
    )
    await sweep(shop.channel.engine, shop.channel.schema, require_approval=False)
    await shop.sql("UPDATE app.emag_cursors SET position = position - interval '25 hours'")
    assert await sweep(shop.channel.engine, shop.channel.schema, require_approval=False) == 0
    await shop.erp.update(Kind.RMA, row_id, emag_return_id=str(RETURN + 1))
    await shop.sql("DELETE FROM app.emag_changes")
    await shop.sql("UPDATE app.emag_cursors SET position = position - interval '25 hours'")
    assert await sweep(shop.channel.engine, shop.channel.schema, require_approval=False) == 1


@pytest.mark.parametrize("named", ["{}", " {}", "{}\t", "\xa0{}", "00{}"])
async def test_a_row_that_nobody_has_queued_yet_gets_its_return_as_well(
    shop: Shop, named: str
) -> None:
    open_return(shop)
    await shop.erp.add(Kind.RMA, named.format(ORDER))
    assert (await take(shop)).brought[Kind.RMA] == {Brought.UNSENT: 1}
    assert len(await rows(shop)) == 1


async def test_a_return_of_other_products_is_not_kept_from_the_erp(shop: Shop) -> None:
    open_return(shop, products=[{"product_id": "1004"}])
    await shop.erp.add(Kind.RMA, ORDER, {"product_id": "1001", "sku": "X"})
    assert (await take(shop)).brought[Kind.RMA] == {Brought.CREATED: 1}


async def test_a_refusal_that_waits_for_the_goods_goes_out_when_they_are_there(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    row = await row_of(shop)
    await shop.erp.update(Kind.RMA, row["id"], status="rejected")
    await carry_out(shop)
    assert await shop.state(Kind.RMA, row["id"]) == "waiting:emag_received"
    shop.market.courier_delivers_return(RETURN)
    assert (await take(shop)).brought[Kind.RMA] == {Brought.UNSENT: 1}
    await carry_out(shop)
    assert status_at_emag(shop) == 4
    await take(shop)
    assert (await row_of(shop))["status"] == "rejected"


async def test_a_row_that_the_erp_deleted_does_not_come_back(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    await shop.erp.delete(Kind.RMA, (await row_of(shop))["id"])
    shop.market.courier_delivers_return(RETURN)
    assert (await take(shop)).brought[Kind.RMA] == {Brought.GONE: 1}
    assert await rows(shop) == []
    assert not (await mirrored(shop))["owed"]
