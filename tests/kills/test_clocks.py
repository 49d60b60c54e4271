"""A host whose clock is wrong by an hour decides as the others do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from flows.parameters import Direction
from integrations.erp.rows import Kind
from tests.kills.conftest import OpenYard
from tests.kills.scenarios import FIRST_ORDER

CANCELLATION, RMA = Kind.CANCELLATION, Kind.RMA
WRONG = [timedelta(hours=1), timedelta(hours=-1)]

# By how much the times of the rows that are furthest off differ from now; they carry no zone.
_OFF = """
    SELECT max(abs(extract(epoch FROM timezone('utc', clock_timestamp()) - at)))::float8 AS seconds
      FROM app.{table}, unnest(ARRAY[created_at, updated_at]) AS at
"""
BROUGHT = ("return_requests", "return_items", "cancellation_requests", "cancellation_items")

# eMAG lets a finalized order be cancelled for 48 hours.
NEARLY_OVER, JUST_OVER = timedelta(hours=47.5), timedelta(hours=48.5)


@pytest.mark.parametrize("error", WRONG, ids=["ahead", "behind"])
async def test_emags_windows_are_judged_by_the_databases_clock(
    error: timedelta, database_url: str, open_yard: OpenYard
) -> None:
    yard = await open_yard(database_url, ["main"])
    shop, now = yard.shop, datetime.now(UTC)
    for order_id, ago in ((FIRST_ORDER, NEARLY_OVER), (FIRST_ORDER + 1, JUST_OVER)):
        shop.market.add_order({"id": order_id, "status": 4, "finalization_date": now - ago})
    rows = [await shop.erp.add(CANCELLATION, FIRST_ORDER + each) for each in range(2)]
    errand = yard.errand(CANCELLATION, clock_error=error.total_seconds())
    assert await yard.work(errand) == 0
    assert [await shop.state(CANCELLATION, row) for row in rows] == ["synced", "refused"]
    assert len(shop.market.journal.requests_to("order/save")) == 1
    assert shop.market.journal.violations() == []


async def test_workers_whose_clocks_disagree_carry_each_order_once(
    database_url: str, open_yard: OpenYard
) -> None:
    yard = await open_yard(database_url, ["main"])
    shop, orders = yard.shop, range(FIRST_ORDER, FIRST_ORDER + 30)
    shop.market.add_orders([{"id": order_id, "status": 2} for order_id in orders])
    rows = [await shop.erp.add(CANCELLATION, order_id) for order_id in orders]
    errors = [timedelta(), *WRONG]
    errands = [yard.errand(CANCELLATION, clock_error=each.total_seconds()) for each in errors]
    assert await asyncio.gather(*map(yard.work, errands)) == [0, 0, 0]
    assert {await shop.state(CANCELLATION, row) for row in rows} == {"synced"}
    saved = shop.market.journal.requests_to("order/save")
    assert sorted(number for record in saved for number in record.order_ids) == list(orders)
    assert await yard.wrong() == []


@pytest.mark.parametrize("error", WRONG, ids=["ahead", "behind"])
async def test_what_is_brought_in_is_dated_by_the_databases_clock(
    error: timedelta, database_url: str, open_yard: OpenYard
) -> None:
    yard = await open_yard(database_url, ["main"])
    shop, wrong = yard.shop, error.total_seconds()
    shop.market.add_order({"id": FIRST_ORDER, "status": 4})
    shop.market.add_order({"id": FIRST_ORDER + 1, "status": 0})
    shop.market.add_return({"emag_id": 50_000_101, "order_id": FIRST_ORDER, "request_status": 2})
    for kind in (RMA, CANCELLATION):
        errand = yard.errand(kind, direction=Direction.IN, clock_error=wrong)
        assert await yard.work(errand) == 0
    for table in BROUGHT:
        [off] = await shop.sql(_OFF.format(table=table))
        assert off["seconds"] < abs(wrong) / 2, table
