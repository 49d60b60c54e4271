"""Orders at eMAG, and rows of the ERP about them that one save each would bring to their end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from integrations.erp.rows import Kind
from tests.end_to_end.conftest import Shop


async def cancelled(shop: Shop, order_id: int) -> int:
    shop.market.add_order({"id": order_id, "status": 2})
    return await shop.erp.add(Kind.CANCELLATION, order_id)


async def returned(shop: Shop, order_id: int) -> int:
    shop.market.add_order({"id": order_id, "status": 4})
    shop.market.add_return({"order_id": order_id, "request_status": 2})
    return await shop.erp.add(Kind.RMA, order_id)


async def invoiced(shop: Shop, order_id: int) -> int:
    shop.market.add_order({"id": order_id, "status": 4})
    return await shop.erp.add(Kind.INVOICE, order_id, pdf_url=shop.document(f"F-{order_id}"))


SCENES: Mapping[Kind, Callable[[Shop, int], Awaitable[int]]] = {
    Kind.CANCELLATION: cancelled,
    Kind.RMA: returned,
    Kind.INVOICE: invoiced,
}
