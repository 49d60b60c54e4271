"""What tests of cancellations share: an order of four pieces, and what is left of it at eMAG."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.erp.rows import Kind
from tests.end_to_end.conftest import Shop

CANCELLATION = Kind.CANCELLATION
ORDER = 480000101
CARD = 3

MUG, JUICE = 11, 12
LINES = [
    {"id": MUG, "product_id": "1001", "quantity": 3},
    {"id": JUICE, "product_id": "1002", "quantity": 1},
]


def order(shop: Shop, order_id: int = ORDER) -> dict[str, Any]:
    found = shop.market.orders.get(order_id)
    assert found is not None
    return found


def pieces(shop: Shop, order_id: int = ORDER) -> dict[int, int]:
    """What is left of each line of an order."""
    lines = order(shop, order_id)["products"]
    return {line["id"]: line["quantity"] if line["status"] else 0 for line in lines}


def routes(shop: Shop) -> list[str]:
    return [request.route for request in shop.market.journal.requests]


def ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


async def cancelled(shop: Shop, row: int, order_id: int = ORDER) -> bool:
    """Whether a row is synced, and its whole order cancelled."""
    books = await shop.books(CANCELLATION, row)
    synced = (books["sync_state"], books["emag_status"]) == ("synced", "canceled")
    return synced and order(shop, order_id)["status"] == 0
