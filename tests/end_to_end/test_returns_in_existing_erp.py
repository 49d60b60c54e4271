"""eMAG's returns reach an ERP that was there first: native enums, nothing has a default."""

from __future__ import annotations

from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from tests.end_to_end.conftest import Shop
from tests.end_to_end.returns_in.returning import ORDER, RETURN, changes, open_return, row_of, take


async def test_an_erp_that_was_there_first_gets_its_own_words_and_types(erp_first: Shop) -> None:
    rma = open_return(
        erp_first,
        request_status=6,
        return_reason=40,
        products=[{"product_id": "1001", "quantity": 2}],
    )
    receipt = await take(erp_first)
    assert receipt.brought[Kind.RMA] == {Brought.CREATED: 1}, receipt.parked
    row = await row_of(erp_first)
    assert (row["status"], row["emag_status"]) == ("PROCESSING", "IN_PROGRESS")
    assert (row["reason"], row["refund_method"]) == ("DAMAGED_IN_TRANSIT", "ORIGINAL_PAYMENT")
    assert (row["refund_amount"], row["order_id"]) == (0, None)
    query = "SELECT * FROM app.return_items WHERE return_request_id = :id"
    [item] = await erp_first.sql(query, id=row["id"])
    assert (item["product_id"], item["quantity"]) == (1001, 2)
    assert item["emag_item_id"] == str(rma["products"][0]["id"])
    erp_first.market.emag_closes_return(RETURN)
    erp_first.market.emag_refunds_return(RETURN, "49.90")
    assert (await take(erp_first)).brought[Kind.RMA] == {Brought.UPDATED: 1}
    row = await row_of(erp_first)
    assert (row["status"], row["refund_amount"]) == ("COMPLETED", 49.9)
    assert await changes(erp_first) == []


async def unnoticed(shop: Shop, status: str) -> int:
    """A row about the return that was there before anything was captured."""
    row_id = await shop.erp.add(Kind.RMA, ORDER, status=status, emag_return_id=str(RETURN))
    await shop.sql("DELETE FROM app.emag_changes")
    return row_id


async def test_a_row_that_names_its_return_is_that_returns(erp_first: Shop) -> None:
    row_id = await unnoticed(erp_first, "APPROVED")
    open_return(erp_first, request_status=6)
    assert (await take(erp_first)).brought[Kind.RMA] == {Brought.UPDATED: 1}
    row = await row_of(erp_first)
    assert (row["id"], row["status"]) == (row_id, "PROCESSING")


async def test_what_an_earlier_row_still_asks_for_is_left_to_adoption(erp_first: Shop) -> None:
    await unnoticed(erp_first, "APPROVED")
    open_return(erp_first, request_status=2)
    assert (await take(erp_first)).brought[Kind.RMA] == {Brought.KEPT: 1}
    row = await row_of(erp_first)
    assert (row["status"], row["emag_status"]) == ("APPROVED", "NEW")
