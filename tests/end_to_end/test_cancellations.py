"""Cancellations, from an ERP row to eMAG and back."""

from __future__ import annotations

from integrations.erp.rows import Kind
from tests.end_to_end.conftest import Shop

CANCELLATION = Kind.CANCELLATION


async def test_an_order_in_progress_is_cancelled_with_its_reason_in_two_requests(
    shop: Shop,
) -> None:
    shop.market.add_order({"id": 480000101, "status": 2})
    row = await shop.erp.add(CANCELLATION, 480000101, reason="inventory_unavailable")

    report = await shop.run(CANCELLATION)

    order = shop.market.orders[480000101]
    assert (order["status"], order["reason_cancellation"]["id"]) == (0, 33)
    assert report.requests == {"order/read": 1, "order/save": 1}
    books = await shop.books(CANCELLATION, row)
    assert (books["sync_state"], books["emag_status"]) == ("synced", "canceled")
    assert (await shop.erp.row(CANCELLATION, row))["emag_cancellation_id"] == "480000101"
