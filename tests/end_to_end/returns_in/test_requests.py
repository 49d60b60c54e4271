"""What the scan of returns costs in requests."""

from __future__ import annotations

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from integrations.sync.receive_returns import ReturnsScan
from tests.end_to_end.conftest import Shop
from tests.end_to_end.returns_in.returning import (
    RETURN,
    asked,
    long_ago,
    open_return,
    receive,
    rows,
    status_at_emag,
)


async def test_history_costs_no_requests(swift: Shop) -> None:
    for number in range(3):
        open_return(swift, RETURN + number)
    await receive(swift)
    before = asked(swift)
    await receive(swift)
    constant = asked(swift) - before
    swift.market.add_returns(
        {"emag_id": 1000 + number, "order_id": 1, "request_status": 7, "date": long_ago(swift)}
        for number in range(1000)
    )
    before = asked(swift)
    await receive(swift)
    assert asked(swift) - before == constant


async def requests_of_a_run(shop: Shop, scan: ReturnsScan | None = None) -> int:
    """How many requests the way in makes where nothing happened."""
    before = asked(shop)
    receipt = await receive(shop, scan)
    assert receipt.brought == {}
    return asked(shop) - before


@pytest.fixture
async def one_by_one(swift: Shop, monkeypatch: pytest.MonkeyPatch) -> int:
    """Requests of a run that asks for nothing ahead, about 60 returns on pages of 7."""
    for number in range(60):
        open_return(swift, RETURN + number, date=long_ago(swift), request_status=6)
    swift.switch(page_cap=7)
    await receive(swift)
    with monkeypatch.context() as patched:
        patched.setattr("integrations.sync.ahead.MOST", 0)
        return await requests_of_a_run(swift)


async def test_the_scan_asks_ahead_for_no_page_too_many(swift: Shop, one_by_one: int) -> None:
    assert await requests_of_a_run(swift) == one_by_one
    for number in range(6):
        swift.market.panel_moves_return(RETURN + 10 * number, 7)
    before = asked(swift)
    receipt = await receive(swift)
    assert receipt.brought[Kind.RMA] == {Brought.UPDATED: 6}
    assert asked(swift) - before <= one_by_one + 6
    assert len(await rows(swift)) == 60


async def test_a_scan_that_the_way_out_has_begun_asks_ahead_once_all_of_it_is_taken(
    swift: Shop, one_by_one: int
) -> None:
    scan, before = ReturnsScan(), asked(swift)
    shared = scan.pages(swift.channel)
    assert [len((await anext(shared)).rows) for _ in range(5)] == [0, 0, 0, 7, 7]
    assert asked(swift) - before == 5, "who may stop at any page asks for no more"
    assert await requests_of_a_run(swift, scan) == one_by_one - 5
    assert scan.complete


async def test_a_run_of_both_directions_reads_each_page_once(swift: Shop) -> None:
    for number in range(230):
        fields = {"date": long_ago(swift), "request_status": 6}
        open_return(swift, RETURN + number, **fields)
    await receive(swift)
    before = asked(swift)
    await receive(swift)
    one_way = asked(swift) - before
    decided = (await rows(swift))[:12]
    for row in decided:
        await swift.erp.update(Kind.RMA, row["id"], status="completed")
    swift.market.courier_delivers_return(open_return(swift, RETURN + 999)["emag_id"])
    before = asked(swift)
    report = await swift.run_both(Kind.RMA)
    lots = sum(each.path.endswith("/save") for each in swift.market.journal.requests[before:])
    closed, margin = 12, 1
    assert asked(swift) - before <= one_way + lots + closed + margin
    assert report.received[Brought.CREATED] == 1
    assert all(status_at_emag(swift, int(row["emag_return_id"])) == 7 for row in decided)
    assert {row["status"] for row in (await rows(swift))[:12]} == {"completed"}
