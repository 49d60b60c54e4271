"""A read that shows everything but what was asked for says nothing about it: it is tried again."""

from __future__ import annotations

import pytest

from integrations.erp.rows import Kind
from tests.end_to_end.conftest import Shop
from tests.end_to_end.test_returns import MUG, ORDER, RMA, opened

pytestmark = pytest.mark.unpaced

OTHERS = 150


@pytest.fixture(autouse=True)
def shelf(shop: Shop) -> None:
    """More orders and returns than a page holds, newer than those that are asked for."""
    for each in range(OTHERS + 1):
        opened(shop, 7, RMA + OTHERS - each, ORDER + OTHERS - each)


async def kept(shop: Shop, kind: Kind, row: int) -> str:
    """Why the row is tried again; it has neither ended nor rests for the first time only."""
    assert await shop.state(kind, row) == "pending"
    assert (await shop.books(kind, row))["sync_attempts"] == 1
    return await shop.reason(kind, row)


async def test_an_order_among_others_only_is_not_taken_for_unknown(shop: Shop) -> None:
    shop.switch(ignored_filters=frozenset({"id"}))
    row = await shop.erp.add(Kind.CANCELLATION, ORDER)
    await shop.run(Kind.CANCELLATION)
    reason = await kept(shop, Kind.CANCELLATION, row)
    assert "order/read showed 100 others instead of what was asked for" in reason

    shop.switch(ignored_filters=frozenset())
    await shop.later()
    await shop.run(Kind.CANCELLATION)
    assert await shop.state(Kind.CANCELLATION, row) == "synced"


async def test_nor_is_the_order_of_a_return_that_is_looked_for(shop: Shop) -> None:
    shop.market.add_order({"id": ORDER - 1, "status": 4})
    shop.switch(ignored_filters=frozenset({"id"}))
    row = await shop.erp.add(Kind.RMA, ORDER - 1, MUG)
    await shop.run(Kind.RMA)
    assert "order/read showed 100 others" in await kept(shop, Kind.RMA, row)


@pytest.mark.parametrize(
    ("ignored", "named"), [("emag_id", str(RMA)), ("order_id", None)], ids=["named", "by its order"]
)
async def test_a_return_among_others_only_is_neither_unknown_nor_waited_for(
    shop: Shop, ignored: str, named: str | None
) -> None:
    shop.switch(ignored_filters=frozenset({ignored}))
    row = await shop.erp.add(Kind.RMA, ORDER, MUG, status="completed", emag_return_id=named)
    await shop.run(Kind.RMA)
    assert "rma/read showed 100 others" in await kept(shop, Kind.RMA, row)

    shop.switch(ignored_filters=frozenset())
    await shop.later()
    await shop.run(Kind.RMA)
    assert await shop.state(Kind.RMA, row) == "synced"


async def test_where_nothing_is_shown_the_order_is_unknown(shop: Shop) -> None:
    row = await shop.erp.add(Kind.CANCELLATION, ORDER - 1)
    await shop.run(Kind.CANCELLATION)
    assert await shop.state(Kind.CANCELLATION, row) == "refused"
    assert "not known at eMAG" in await shop.reason(Kind.CANCELLATION, row)
