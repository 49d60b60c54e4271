"""Workers die while they bring eMAG's news in; the next ones miss none and tell none twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

from flows.parameters import Direction
from integrations.erp.rows import Kind
from integrations.ledger.points import Point
from tests.end_to_end.conftest import Shop
from tests.kills.conftest import OpenYard
from tests.kills.scenarios import FIRST_ORDER

RMA, CANCELLATION = Kind.RMA, Kind.CANCELLATION
RETURNS = [52_000_101, 52_000_102, 52_000_103]
CANCELLED = [FIRST_ORDER + 10, FIRST_ORDER + 11, FIRST_ORDER + 12]

# How far a worker comes with what has happened since the one before it died.
DEATHS = (Point.MIRRORED, Point.BROUGHT, Point.STORED)


def happens(shop: Shop, number: int) -> None:
    """A customer opens a return, and another's order is cancelled."""
    shop.market.add_order({"id": FIRST_ORDER + number, "status": 4})
    shop.market.add_return({"emag_id": RETURNS[number], "order_id": FIRST_ORDER + number})
    shop.market.add_order({"id": CANCELLED[number], "status": 0})


async def told(shop: Shop) -> Sequence[tuple[str, int, int]]:
    """What the ERP holds of returns and of cancelled orders: number, rows, items."""
    return [
        (row["number"], row["rows"], row["items"])
        for row in await shop.sql("""
            SELECT emag_return_id AS number, count(DISTINCT r.id) AS rows, count(i.id) AS items
              FROM app.return_requests r LEFT JOIN app.return_items i ON return_request_id = r.id
             GROUP BY 1
            UNION ALL
            SELECT emag_order_id, count(DISTINCT c.id), count(i.id)
              FROM app.cancellation_requests c
              LEFT JOIN app.cancellation_items i ON cancellation_request_id = c.id
             GROUP BY 1 ORDER BY 1
        """)
    ]


async def owed(shop: Shop) -> int:
    """How much of what is mirrored the ERP has still to be told."""
    [row] = await shop.sql("""
        SELECT (SELECT count(*) FROM app.emag_returns WHERE owed)
             + (SELECT count(*) FROM app.emag_orders WHERE owed) AS rows
    """)
    return int(row["rows"])


async def test_wherever_a_worker_dies_all_news_comes_in_once(
    database_url: str, open_yard: OpenYard
) -> None:
    yard = await open_yard(database_url, ["main"])
    shop = yard.shop

    async def receive(dies_at: Point | None = None) -> list[int | None]:
        errands = (
            yard.errand(kind, direction=Direction.IN, dies_at=dies_at)
            for kind in (RMA, CANCELLATION)
        )
        return list(await asyncio.gather(*map(yard.work, errands)))

    for number, point in enumerate(DEATHS):
        happens(shop, number)
        assert await receive(point) == [-signal.SIGKILL] * 2
    assert (
        await shop.sql("SELECT FROM app.emag_platform_cursors WHERE resource LIKE 'orders:%'") == []
    )
    assert await receive() == [0, 0]
    assert await owed(shop) == 0
    numbers = sorted(map(str, (*RETURNS, *CANCELLED)))
    assert [(number, rows) for number, rows, _ in await told(shop)] == [(n, 1) for n in numbers]
    before = await told(shop)
    assert await receive() == [0, 0]
    assert await told(shop) == before
    assert await shop.sql("SELECT FROM app.emag_changes") == []
