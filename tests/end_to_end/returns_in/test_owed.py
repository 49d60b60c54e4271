"""What of eMAG's returns cannot reach the ERP at once: overtaken, held, refused, unreadable."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from integrations.ledger.clock import read_clock
from integrations.ledger.database import transaction
from integrations.ledger.instants import Instant
from integrations.ledger.mirror_returns import owe
from integrations.sync.page import Page
from integrations.sync.receipt import Receipt
from integrations.sync.take_returns import take_returns
from tests.end_to_end.conftest import Shop
from tests.end_to_end.returns_in.returning import (
    ORDER,
    RETURN,
    listed,
    mirrored,
    open_return,
    row_of,
    rows,
    take,
)


async def test_news_from_before_a_request_of_ours_is_read_again(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    row = await row_of(shop)
    stale = [{**raw, "observations": "x", "return_type": 5} for raw in await listed(shop)]
    began = Instant.now()
    await shop.erp.update(Kind.RMA, row["id"], status="approved")
    await shop.run(Kind.RMA)
    receipt = Receipt()
    clock = await read_clock(shop.channel.engine)
    await take_returns(shop.channel, Page(began, stale), clock, receipt)
    assert receipt.brought[Kind.RMA] == {Brought.OVERTAKEN: 1}
    assert (await row_of(shop))["status"] == "approved"
    assert (await mirrored(shop))["owed"]
    await shop.sql("UPDATE app.emag_api_calls SET closed_at = closed_at - interval '9 s'")
    assert (await take(shop)).brought[Kind.RMA] == {Brought.SAME: 1}


async def test_an_older_read_never_overwrites_a_newer_one(shop: Shop) -> None:
    open_return(shop)
    began, stale = Instant.now(), await listed(shop)
    shop.market.courier_delivers_return(RETURN)
    await take(shop)
    clock = await read_clock(shop.channel.engine)
    await take_returns(shop.channel, Page(began, stale), clock, receipt := Receipt())
    assert receipt.brought == {}
    assert (await mirrored(shop))["status"] == 6


async def test_a_row_that_the_erp_holds_delays_nobody(shop: Shop) -> None:
    open_return(shop, RETURN)
    open_return(shop, RETURN + 1)
    await take(shop)
    row = await row_of(shop)
    shop.market.courier_delivers_return(RETURN)
    shop.market.courier_delivers_return(RETURN + 1)
    async with transaction(shop.channel.engine) as connection:
        query = "SELECT FROM app.return_requests WHERE id = :id FOR UPDATE"
        await connection.execute(query, {"id": row["id"]})
        receipt = await asyncio.wait_for(take(shop), 10)
    assert receipt.brought[Kind.RMA] == {Brought.LOCKED: 1, Brought.UPDATED: 1}
    assert (await take(shop)).brought[Kind.RMA] == {Brought.UPDATED: 1}
    assert (await row_of(shop))["status"] == "processing"


async def test_what_the_erp_refuses_is_parked_and_stops_nobody(shop: Shop) -> None:
    await shop.sql(
        "ALTER TABLE app.return_requests"
        f" ADD CONSTRAINT no_such_order CHECK (emag_order_id <> '{ORDER}')"
    )
    open_return(shop, RETURN)
    open_return(shop, RETURN + 1)
    receipt = await take(shop)
    assert receipt.brought[Kind.RMA] == {Brought.PARKED: 1, Brought.CREATED: 1}
    [parked] = receipt.parked
    assert (parked.emag_id, "no_such_order" in parked.reason) == (RETURN, True)
    mirror = await mirrored(shop)
    assert (mirror["owed"], mirror["attempts"], mirror["problem"]) == (True, 1, parked.reason)
    assert (await take(shop)).brought == {}, "it rests"
    await shop.sql("ALTER TABLE app.return_requests DROP CONSTRAINT no_such_order")
    await owe(shop.channel.engine, shop.channel.account.platform, [RETURN])
    assert (await take(shop)).brought[Kind.RMA] == {Brought.CREATED: 1}
    mirror = await mirrored(shop)
    assert (mirror["owed"], mirror["attempts"], mirror["problem"]) == (False, 0, None)


UNUSABLE: Mapping[str, tuple[dict[str, Any], str, int]] = {
    "status": ({"request_status": "soon"}, "request_status: a text of 4 characters", -1),
    "order": ({"order_id": None}, "names no order", 2),
    "line": ({"products": [{"id": 1, "quantity": "two"}]}, "quantity", 2),
    "amount": ({"products": [{"id": 1, "quantity": 1, "refund_value": "a lot"}]}, "refund", 2),
    "unknown status": ({"request_status": 9}, "unknown status 9", 9),
}


async def test_what_cannot_be_read_is_parked_and_stops_nobody(shop: Shop) -> None:
    for number in range(len(UNUSABLE) + 1):
        open_return(shop, RETURN + number)
    raws = {int(raw["emag_id"]): raw for raw in await listed(shop)}
    for number, (fields, _, _) in enumerate(UNUSABLE.values()):
        raws[RETURN + number] = {**raws[RETURN + number], **fields}
    nobody = {**raws[RETURN], "emag_id": "none"}
    receipt = await take(shop, [*raws.values(), nobody])
    assert receipt.brought[Kind.RMA] == {Brought.PARKED: len(UNUSABLE), Brought.CREATED: 1}
    assert None in {each.emag_id for each in receipt.parked}
    for number, (_, problem, status) in enumerate(UNUSABLE.values()):
        mirror = await mirrored(shop, RETURN + number)
        assert problem in mirror["problem"]
        assert mirror["status"] == status


async def test_two_runs_at_once_make_one_row(shop: Shop) -> None:
    for number in range(20):
        open_return(shop, RETURN + number)
    raws = await listed(shop)
    await asyncio.gather(take(shop, raws), take(shop, raws))
    await take(shop)
    numbers = [row["emag_return_id"] for row in await rows(shop)]
    assert sorted(numbers) == [str(RETURN + number) for number in range(20)]
    assert {each["owed"] for each in await shop.sql("SELECT owed FROM app.emag_returns")} == {False}
