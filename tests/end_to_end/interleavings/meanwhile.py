"""What tests of interleavings share: workers that stand still, and what comes of their work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from integrations.erp.rows import Kind
from integrations.ledger.points import Point, listening
from tests.end_to_end.conftest import Shop

CANCELLATION, RMA, INVOICE = Kind.CANCELLATION, Kind.RMA, Kind.INVOICE
ORDER, OTHER = 480000101, 480000102

BEFORE_THE_INTENT = (Point.CLAIMED, Point.READ, Point.PLANNED, Point.RESERVED)
AFTER_THE_INTENT = (Point.INTENDED, Point.ANSWERED, Point.NOTED, Point.CARRIED)
ON_THE_WAY = (*BEFORE_THE_INTENT, *AFTER_THE_INTENT)

CANCELLED = [("order.status", 2, 0)]


@asynccontextmanager
async def stopped(run: Coroutine[Any, Any, Any], point: Point) -> AsyncIterator[None]:
    """The block runs while the first worker of `run` stands at a point; then it goes on."""
    there, go_on = asyncio.Event(), asyncio.Event()

    async def stop(reached: Point) -> None:
        if reached is point and not there.is_set():
            there.set()
            await go_on.wait()

    with listening(stop):
        running = asyncio.create_task(run)
        arriving = asyncio.create_task(there.wait())
        await asyncio.wait({running, arriving}, return_when=asyncio.FIRST_COMPLETED)
        assert there.is_set(), f"no worker came to {point}"
        try:
            yield
        finally:
            go_on.set()
            await running


async def one_of_five(shop: Shop, order_id: int = ORDER, quantity: int = 1) -> int:
    """A cancellation of pieces of an order with five; its id."""
    if order_id not in shop.market.orders:
        line = {"product_id": "1001", "quantity": 5}
        shop.market.add_order({"id": order_id, "status": 2, "products": [line]})
    item = {"product_id": "1001", "quantity": quantity}
    return await shop.erp.add(CANCELLATION, order_id, item)


async def whole(shop: Shop, order_id: int = ORDER) -> int:
    """A cancellation of an order; its id."""
    shop.market.add_order({"id": order_id, "status": 2})
    return await shop.erp.add(CANCELLATION, order_id)


async def invoice(shop: Shop, order_id: int = ORDER) -> int:
    """An invoice of an order; its id."""
    shop.market.add_order({"id": order_id, "status": 4})
    return await shop.erp.add(INVOICE, order_id, pdf_url=shop.document(f"F-{order_id}"))


def done_to(shop: Shop, order_id: int = ORDER) -> list[tuple[str, object, object]]:
    """What was done to an order at eMAG: the kind of effect, from, to."""
    return [
        (effect.kind, effect.from_, effect.to)
        for effect in shop.market.journal.effects_of(about=order_id)
    ]


async def verdicts(shop: Shop) -> list[str]:
    """What became of our writes, oldest first."""
    calls = await shop.sql("SELECT verdict FROM app.emag_api_calls WHERE writes ORDER BY sent_at")
    return [call["verdict"] for call in calls]
