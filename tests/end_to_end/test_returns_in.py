"""What happens to returns at eMAG reaches the ERP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from integrations.emag.client import open_client
from integrations.emag.routes import LIMITS, RMA_READ, Bucket
from integrations.emag.wire import Raw
from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from integrations.ledger.calls import Subject
from integrations.ledger.clock import read_clock
from integrations.ledger.mirror_returns import open_returns, owe
from integrations.ledger.profile import Profile
from integrations.sync.ask import ask
from integrations.sync.channel import Tally
from integrations.sync.listing import Page
from integrations.sync.receipt import Receipt
from integrations.sync.receive_orders import receive_orders
from integrations.sync.receive_returns import ReturnsScan, receive_returns
from integrations.sync.take_returns import take_returns
from tests.end_to_end.conftest import QUICK, Shop

RETURN, ORDER = 52_000_077, 480_000_101


@pytest.fixture
def swift(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The shop at an eMAG that has no request limits."""
    monkeypatch.setitem(LIMITS, Bucket.OTHER, 500.0)
    shop.switch(limits=False)
    shop.channel = replace(shop.channel, account=replace(shop.channel.account, rates={}))
    return shop


async def receive(shop: Shop, scan: ReturnsScan | None = None, **changes: Any) -> Receipt:
    """One run of the way in."""
    return await receive_returns(replace(shop.channel, tally=Tally(), **changes), scan)


async def listed(shop: Shop) -> list[Raw]:
    """All returns that eMAG shows, in one request."""
    body = {"itemsPerPage": 100}
    return await ask(shop.channel, RMA_READ, body, Subject())


async def take(shop: Shop, rows: Iterable[Raw] | None = None) -> Receipt:
    """Take all returns, or these, as one page."""
    began = time.monotonic()
    page = Page(began, list(await listed(shop) if rows is None else rows))
    receipt = Receipt()
    await take_returns(shop.channel, page, await read_clock(shop.channel.engine), receipt)
    return receipt


async def carry_out(shop: Shop) -> None:
    """A run of the way out that ended some time ago."""
    await shop.run(Kind.RMA)
    await shop.sql(
        "UPDATE app.emag_api_calls SET sent_at = sent_at - interval '9 s',"
        " closed_at = closed_at - interval '9 s'"
    )


def status_at_emag(shop: Shop, emag_id: int = RETURN) -> int:
    rma = shop.market.returns.get(emag_id)
    assert rma is not None
    return int(rma["request_status"])


def open_return(shop: Shop, emag_id: int = RETURN, **fields: Any) -> dict[str, Any]:
    """A return of a finalized order at eMAG."""
    order_id = fields.pop("order_id", ORDER + emag_id - RETURN)
    if order_id not in shop.market.orders:
        kind = fields.get("type", 3)
        shop.market.add_order({"id": order_id, "status": 4, "type": kind})
    given = {"emag_id": emag_id, "order_id": order_id, "date": shop.market.now(), **fields}
    return shop.market.add_return(given)


async def rows(shop: Shop) -> list[dict[str, Any]]:
    return await shop.sql("SELECT * FROM app.return_requests ORDER BY id")


async def items(shop: Shop) -> list[dict[str, Any]]:
    return await shop.sql("SELECT * FROM app.return_items ORDER BY id")


async def row_of(shop: Shop, emag_id: int = RETURN) -> dict[str, Any]:
    """The one row of the ERP's about a return."""
    [row] = [row for row in await rows(shop) if row["emag_return_id"] == str(emag_id)]
    return row


async def mirrored(shop: Shop, emag_id: int = RETURN) -> dict[str, Any]:
    """What the mirror holds of a return."""
    [row] = await shop.sql("SELECT * FROM app.emag_returns WHERE emag_id = :id", id=emag_id)
    return row


def writes(shop: Shop) -> int:
    """How many writes of ours eMAG has seen."""
    return sum(each.path.endswith("/save") for each in shop.market.journal.requests)


async def changes(shop: Shop) -> list[dict[str, Any]]:
    return await shop.sql("SELECT kind, row_id FROM app.emag_changes")


async def test_a_new_return_becomes_a_row_of_the_erps_with_its_items(shop: Shop) -> None:
    rma = open_return(
        shop,
        return_reason=124,
        observations="Nu porneste",
        products=[{"product_id": "1001", "quantity": 2}],
    )
    receipt = await receive(shop)
    assert receipt.brought[Kind.RMA] == {Brought.CREATED: 1}
    [row] = await rows(shop)
    platform = shop.channel.account.platform
    assert {
        "return_number": f"{platform}-{RETURN}",
        "emag_order_id": str(ORDER),
        "order_id": None,
        "emag_return_id": str(RETURN),
        "emag_status": "new",
        "status": "pending",
        "reason": "defective_product",
        "reason_description": "eMAG 124: Nu porneste",
        "refund_method": "original_payment",
        "refund_processed": False,
        "account_type": "main",
        "customer_name": rma["customer_name"],
        "customer_phone": rma["customer_phone"],
    }.items() <= row.items()
    [item] = await items(shop)
    assert {
        "return_request_id": row["id"],
        "product_id": "1001",
        "product_name": rma["products"][0]["product_name"],
        "quantity": 2,
        "emag_item_id": str(rma["products"][0]["id"]),
        "condition": "used",
        "reason": "defective_product",
    }.items() <= item.items()
    books = await shop.books(Kind.RMA, row["id"])
    assert (books["sync_state"], books["origin"]) == ("synced", "emag")
    assert (books["emag_return_id"], books["emag_status"]) == (str(RETURN), "new")


STATUSES = {
    1: ("pending", None),
    2: ("pending", "new"),
    3: ("approved", "approved"),
    4: ("rejected", "rejected"),
    5: ("cancelled", "cancelled"),
    6: ("processing", "in_progress"),
    7: ("completed", "completed"),
}


async def test_every_status_of_emags_has_its_words_in_the_erp(shop: Shop) -> None:
    for status in STATUSES:
        open_return(shop, RETURN + status, request_status=status)
    await take(shop)
    for status, words in STATUSES.items():
        row = await row_of(shop, RETURN + status)
        assert (row["status"], row["emag_status"]) == words


METHODS: Mapping[str, tuple[dict[str, Any], str]] = {
    "refund": ({"return_type": 3}, "original_payment"),
    "voucher": ({"return_type": 5}, "store_credit"),
    "to the bank": ({"return_type": 3, "customer_account_iban": "RO00TEST"}, "bank_transfer"),
    "same product": ({"return_type": 1}, "original_payment"),
}


async def test_the_way_of_the_refund_follows_from_what_the_customer_asked_for(shop: Shop) -> None:
    for number, (fields, _) in enumerate(METHODS.values()):
        open_return(shop, RETURN + number, **fields)
    await take(shop)
    for number, (_, method) in enumerate(METHODS.values()):
        assert (await row_of(shop, RETURN + number))["refund_method"] == method


async def test_each_line_has_its_own_reason(shop: Shop) -> None:
    lines = [
        {"product_id": "1001", "return_reason": 188},
        {"product_id": "1004", "return_reason": 50},
    ]
    open_return(shop, return_reason=124, products=lines)
    await take(shop)
    reasons = [item["reason"] for item in await items(shop)]
    assert reasons == ["damaged_in_transit", "wrong_item"]


async def test_a_known_return_follows_emag_and_nothing_of_it_is_sent_back(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    shop.market.courier_delivers_return(RETURN)
    receipt = await take(shop)
    assert receipt.brought[Kind.RMA] == {Brought.UPDATED: 1}
    row = await row_of(shop)
    assert (row["status"], row["emag_status"]) == ("processing", "in_progress")
    assert await changes(shop) == []
    assert (await shop.run(Kind.RMA)).rows == {}
    assert writes(shop) == 0


async def test_what_did_not_change_costs_the_erp_nothing(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    before = await row_of(shop)
    receipt = await take(shop)
    assert (receipt.read, receipt.changed, receipt.brought) == (1, 0, {})
    assert await row_of(shop) == before


async def test_what_the_erp_decided_first_stands_and_reaches_emag(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    row = await row_of(shop)
    await shop.erp.update(Kind.RMA, row["id"], status="approved")
    shop.market.emag_refunds_return(RETURN, "10.00")
    receipt = await take(shop)
    assert receipt.brought[Kind.RMA] == {Brought.UNSENT: 1}
    now = await row_of(shop)
    assert (now["status"], now["refund_amount"]) == ("approved", Decimal("10.00"))
    await carry_out(shop)
    assert status_at_emag(shop) == 3
    assert (await take(shop)).brought[Kind.RMA] == {Brought.SAME: 1}
    assert not (await mirrored(shop))["owed"]


async def test_what_emag_decided_first_is_what_the_erp_then_changes(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    shop.market.courier_delivers_return(RETURN)
    await take(shop)
    row = await row_of(shop)
    await shop.erp.update(Kind.RMA, row["id"], status="completed")
    await carry_out(shop)
    assert status_at_emag(shop) == 7
    assert (await take(shop)).brought[Kind.RMA] == {Brought.SAME: 1}
    assert (await row_of(shop))["status"] == "completed"


async def test_a_contradiction_shows_both_sides_and_is_left_to_a_person(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    row = await row_of(shop)
    shop.market.customer_cancels_return(RETURN)
    await shop.erp.update(Kind.RMA, row["id"], status="approved")
    assert (await take(shop)).brought[Kind.RMA] == {Brought.UNSENT: 1}
    await carry_out(shop)
    assert await shop.state(Kind.RMA, row["id"]) == "refused"
    assert "The ERP wants approved, eMAG has" in await shop.reason(Kind.RMA, row["id"])
    assert (await take(shop)).brought[Kind.RMA] == {Brought.KEPT: 1}
    now = await row_of(shop)
    assert (now["status"], now["emag_status"]) == ("approved", "cancelled")


async def test_a_row_that_waits_for_a_return_gets_it_and_no_second_row_appears(shop: Shop) -> None:
    shop.market.add_order({"id": ORDER, "status": 4})
    row_id = await shop.erp.add(Kind.RMA, ORDER, {"product_id": "1001"})
    await carry_out(shop)
    assert await shop.state(Kind.RMA, row_id) == "waiting:emag_return"
    open_return(shop, products=[{"product_id": "1001"}])
    assert (await take(shop)).brought[Kind.RMA] == {Brought.UNSENT: 1}
    await carry_out(shop)
    assert await shop.state(Kind.RMA, row_id) == "synced"
    assert (await take(shop)).brought[Kind.RMA] == {Brought.SAME: 1}
    [row] = await rows(shop)
    assert (row["id"], row["emag_return_id"], row["status"]) == (row_id, str(RETURN), "approved")


async def test_a_row_that_nobody_has_queued_yet_gets_its_return_as_well(shop: Shop) -> None:
    open_return(shop)
    await shop.erp.add(Kind.RMA, ORDER)
    assert (await take(shop)).brought[Kind.RMA] == {Brought.UNSENT: 1}
    assert len(await rows(shop)) == 1


async def test_a_return_of_other_products_is_not_kept_from_the_erp(shop: Shop) -> None:
    open_return(shop, products=[{"product_id": "1004"}])
    await shop.erp.add(Kind.RMA, ORDER, {"product_id": "1001", "sku": "X"})
    assert (await take(shop)).brought[Kind.RMA] == {Brought.CREATED: 1}


async def test_a_refusal_that_waits_for_the_goods_goes_out_when_they_are_there(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    row = await row_of(shop)
    await shop.erp.update(Kind.RMA, row["id"], status="rejected")
    await carry_out(shop)
    assert await shop.state(Kind.RMA, row["id"]) == "waiting:emag_received"
    shop.market.courier_delivers_return(RETURN)
    assert (await take(shop)).brought[Kind.RMA] == {Brought.UNSENT: 1}
    await carry_out(shop)
    assert status_at_emag(shop) == 4
    await take(shop)
    assert (await row_of(shop))["status"] == "rejected"


async def test_refunds_come_with_amount_and_state(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    shop.market.emag_refunds_return(RETURN, "49.905")
    await take(shop)
    row = await row_of(shop)
    assert (row["refund_amount"], row["refund_processed"]) == (Decimal("49.91"), True)
    assert await changes(shop) == []


async def test_an_unknown_word_for_a_refund_is_noted_and_not_believed(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    shop.market.emag_refunds_return(RETURN, "49.90")
    rma = shop.market.returns.get(RETURN)
    assert rma is not None
    rma["status_history"][-1]["requests"][0]["refund_status"] = "Levitated"
    await take(shop)
    row = await row_of(shop)
    assert (row["refund_amount"], row["refund_processed"]) == (0, False)
    [drift] = await shop.sql("SELECT name FROM app.emag_drift WHERE what = 'type'")
    assert "levitated" in drift["name"]


async def test_news_from_before_a_request_of_ours_is_read_again(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    row = await row_of(shop)
    stale = [{**raw, "observations": "x", "return_type": 5} for raw in await listed(shop)]
    began = time.monotonic()
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
    began, stale = time.monotonic(), await listed(shop)
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
    async with shop.channel.engine.begin() as connection:
        query = text("SELECT FROM app.return_requests WHERE id = :id FOR UPDATE")
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


async def test_a_row_that_the_erp_deleted_does_not_come_back(shop: Shop) -> None:
    open_return(shop)
    await take(shop)
    await shop.erp.delete(Kind.RMA, (await row_of(shop))["id"])
    shop.market.courier_delivers_return(RETURN)
    assert (await take(shop)).brought[Kind.RMA] == {Brought.GONE: 1}
    assert await rows(shop) == []
    assert not (await mirrored(shop))["owed"]


async def test_two_runs_at_once_make_one_row(shop: Shop) -> None:
    for number in range(20):
        open_return(shop, RETURN + number)
    raws = await listed(shop)
    await asyncio.gather(take(shop, raws), take(shop, raws))
    await take(shop)
    numbers = [row["emag_return_id"] for row in await rows(shop)]
    assert sorted(numbers) == [str(RETURN + number) for number in range(20)]
    assert {each["owed"] for each in await shop.sql("SELECT owed FROM app.emag_returns")} == {False}


async def test_no_customer_is_known_to_our_books(shop: Shop) -> None:
    rma = open_return(shop, customer_email="ana@example.com", observations="Sunt Ana")
    await take(shop)
    assert (await row_of(shop))["customer_email"] == "ana@example.com"
    tables = await shop.sql(
        "SELECT relname AS name FROM pg_class WHERE relnamespace = 'app'::regnamespace"
        " AND relkind IN ('r', 'p') AND relname LIKE 'emag%'"
    )
    for table in tables:
        query = f"SELECT coalesce(string_agg(t::text, ' '), '') AS all FROM app.{table['name']} t"
        [found] = await shop.sql(query)
        for personal in (rma["customer_name"], rma["customer_phone"], "ana@example.com", "Ana"):
            assert personal not in found["all"], table["name"]


PAST = timedelta(days=40)


def long_ago(shop: Shop) -> datetime:
    return shop.market.now() - PAST


def asked(shop: Shop) -> int:
    """How many requests eMAG has seen."""
    return len(shop.market.journal.requests)


async def cursor(shop: Shop, kind: int = 3) -> datetime | None:
    found = await shop.sql(
        "SELECT position FROM app.emag_cursors WHERE resource = :name", name=f"returns:{kind}"
    )
    return found[0]["position"] if found else None


async def test_open_returns_come_in_however_old_they_are(swift: Shop) -> None:
    for number in range(130):
        open_return(swift, RETURN + number, date=long_ago(swift), request_status=6)
    receipt = await receive(swift)
    assert receipt.brought[Kind.RMA] == {Brought.CREATED: 130}
    assert receipt.parked == []
    assert len(await items(swift)) >= 130


CLOSINGS = {4: "rejected", 5: "cancelled", 7: "completed"}


async def test_an_open_return_that_is_closed_is_read_by_its_number(swift: Shop) -> None:
    began = {4: 6, 5: 3, 7: 6}
    for status, before in began.items():
        open_return(swift, RETURN + status, date=long_ago(swift), request_status=before)
    await receive(swift)
    await receive(swift)
    quiet = asked(swift)
    await receive(swift)
    nothing_happened = asked(swift) - quiet
    for status in CLOSINGS:
        swift.market.panel_moves_return(RETURN + status, status)
    before = asked(swift)
    receipt = await receive(swift)
    assert receipt.brought[Kind.RMA] == {Brought.UPDATED: 3}
    for status, word in CLOSINGS.items():
        assert (await row_of(swift, RETURN + status))["status"] == word
    assert asked(swift) - before <= nothing_happened + 3
    assert (await receive(swift)).brought == {}


async def test_a_return_opened_and_closed_between_two_runs_is_not_missed(swift: Shop) -> None:
    await receive(swift)
    open_return(swift, request_status=5)
    receipt = await receive(swift)
    assert receipt.brought[Kind.RMA] == {Brought.CREATED: 1}
    assert (await row_of(swift))["status"] == "cancelled"


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


async def test_returns_that_emag_fulfils_come_in_the_same_way(swift: Shop) -> None:
    open_return(swift, type=2, date=long_ago(swift), request_status=6)
    await receive(swift)
    assert (await row_of(swift))["status"] == "processing"
    swift.market.emag_closes_return(RETURN)
    await receive(swift)
    row = await row_of(swift)
    assert (row["status"], row["account_type"]) == ("completed", "main")


async def test_accounts_with_one_login_each_see_to_their_own_type(swift: Shop) -> None:
    own = swift.channel.account
    second = replace(own, name="fbe", account_type="fbe")
    swift.channel = replace(swift.channel, accounts={"main": own, "fbe": second})
    open_return(swift, RETURN, type=3)
    open_return(swift, RETURN + 1, type=2)
    await receive(swift)
    [row] = await rows(swift)
    assert row["emag_return_id"] == str(RETURN)
    async with open_client(second, deadline=QUICK.deadline) as client:
        await receive(swift, account=second, client=client)
    assert (await row_of(swift, RETURN + 1))["account_type"] == "fbe"


async def test_the_cursor_moves_to_where_the_window_was_read(swift: Shop) -> None:
    before = datetime.now(UTC)
    await receive(swift)
    first = await cursor(swift)
    assert first is not None
    assert before - timedelta(seconds=5) < first < datetime.now(UTC)
    await receive(swift)
    second = await cursor(swift)
    assert second is not None
    assert second > first
    assert await cursor(swift, 2) is not None


async def test_the_cursor_stays_where_eMAG_ignores_the_window(swift: Shop) -> None:  # noqa: N802
    swift.market.add_returns(
        {"emag_id": 1000 + number, "order_id": 1, "request_status": 7, "date": long_ago(swift)}
        for number in range(30)
    )
    open_return(swift)
    swift.switch(ignored_filters=frozenset({"date_start"}))
    receipt = await receive(swift)
    assert await cursor(swift) is None
    assert [each.reason for each in receipt.parked] == [
        "rma/read ignored its filter date_start, type: 30 of 31 rows are others"
    ]
    assert len(await rows(swift)) == 1, "open ones come in all the same"


async def test_a_scan_whose_filter_is_ignored_takes_nothing_for_closed(swift: Shop) -> None:
    for number in range(30):
        open_return(swift, RETURN + number, date=long_ago(swift), request_status=6)
    await receive(swift)
    swift.switch(ignored_filters=frozenset({"request_status"}))
    before = asked(swift)
    receipt = await receive(swift)
    assert "request_status" in receipt.parked[0].reason
    assert asked(swift) - before < 8
    assert {row["status"] for row in await rows(swift)} == {"processing"}


MOODS: Mapping[str, dict[str, Any]] = {
    "pages of 7": {"page_cap": 7},
    "pages of 1": {"page_cap": 1},
    "rows that move": {"page_shift": True},
    "a last page without end": {"repeat_last_page": True, "page_cap": 10},
    "texts for numbers": {"strings_for_numbers": True},
    "no type by itself": {"rma_read_default_type": 3},
    "unknown fields": {"unknown_fields": True},
}


@pytest.mark.parametrize("mood", MOODS)
async def test_every_open_return_comes_in_whatever_emag_does_to_its_pages(
    swift: Shop, mood: str
) -> None:
    for number in range(40):
        kind, status = (2, 3)[number % 2], (2, 3, 6)[number % 3]
        fields = {"type": kind, "request_status": status, "date": long_ago(swift)}
        open_return(swift, RETURN + number, **fields)
    swift.switch(**MOODS[mood])
    await receive(swift)
    await receive(swift)
    assert len(await rows(swift)) == 40
    for number in range(40):
        if (2, 3, 6)[number % 3] == 6:
            swift.market.emag_closes_return(RETURN + number)
    await receive(swift)
    await receive(swift)
    closed = [row for row in await rows(swift) if row["status"] == "completed"]
    assert len(closed) == sum((2, 3, 6)[number % 3] == 6 for number in range(40))


@pytest.mark.parametrize("cap", [1, 7, 13])
async def test_what_is_opened_and_closed_between_two_runs_comes_in_page_by_page(
    swift: Shop, cap: int
) -> None:
    await receive(swift)
    swift.switch(page_cap=cap)
    for number in range(20):
        open_return(swift, RETURN + number, request_status=5)
    await receive(swift)
    assert len(await rows(swift)) == 20


@pytest.mark.parametrize("counts", [True, False, None])
async def test_returns_that_nobody_can_count_are_read_until_no_new_one_shows(
    swift: Shop, *, counts: bool | None
) -> None:
    for number in range(20):
        open_return(swift, RETURN + number, request_status=5)
    swift.switch(page_cap=7)
    await receive(swift, profile=Profile(page_cap=7, counts_returns=counts))
    assert len(await rows(swift)) == 20
    routes = [each.route for each in swift.market.journal.requests]
    assert ("rma/count" in routes) is (counts is not False)


async def test_the_books_know_how_many_returns_each_listing_held(swift: Shop) -> None:
    for number, (kind, status) in enumerate([(3, 2), (3, 6), (3, 6), (3, 7), (2, 6)]):
        open_return(swift, RETURN + number, type=kind, request_status=status)
    await receive(swift)
    engine, platform = swift.channel.engine, swift.channel.account.platform
    assert await open_returns(engine, platform, "main") == {(3, 2): 1, (3, 6): 2, (2, 6): 1}
    await owe(engine, platform, [RETURN + 1])
    lately = await open_returns(engine, platform, "main")
    assert lately[3, 6] == 1, "what is owed may have left the listing"
    assert await open_returns(engine, platform, "fbe") == {}


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


async def test_a_return_that_emag_no_longer_shows_rests(swift: Shop) -> None:
    open_return(swift)
    await receive(swift)
    swift.market.returns.clear()
    receipt = await receive(swift)
    assert [each.emag_id for each in receipt.parked] == [RETURN]
    assert "shows no return" in (await mirrored(swift))["problem"]
    assert (await receive(swift)).parked == []


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


async def hours_pass(shop: Shop, hours: float) -> None:
    """Everything that the mirror knows of returns happened some hours earlier."""
    times = ("read_at", "changed_at", "next_at", "refund_since", "refund_at")
    earlier = ", ".join(f"{name} = {name} - make_interval(secs => :secs)" for name in times)
    await shop.sql(f"UPDATE app.emag_returns SET {earlier}", secs=hours * 3600)


def shown(shop: Shop, emag_id: int = RETURN) -> int:
    """How often eMAG has shown this return, and no other beside it."""
    return sum(each.return_ids == [emag_id] for each in shop.market.journal.requests)


async def closed_return(shop: Shop, **fields: Any) -> None:
    """A return that was open when it was read first and is finalized, without a refund yet."""
    open_return(shop, date=long_ago(shop), request_status=6, return_type=3, **fields)
    await receive(shop)
    shop.market.panel_moves_return(RETURN, 7)
    await receive(shop)
    assert (await row_of(shop))["refund_processed"] is False


class TestARefundAfterTheEnd:
    """Of a return that is closed already."""

    async def test_comes_in_without_anybody_asking_for_it(self, swift: Shop) -> None:
        await closed_return(swift)
        swift.market.emag_refunds_return(RETURN, "49.90")
        await hours_pass(swift, 6.5)
        receipt = await receive(swift)
        assert receipt.brought[Kind.RMA] == {Brought.UPDATED: 1}
        row = await row_of(swift)
        assert (row["refund_amount"], row["refund_processed"]) == (Decimal("49.90"), True)
        assert await changes(swift) == []

    async def test_is_looked_for_until_it_is_seen_and_then_no_more(self, swift: Shop) -> None:
        await closed_return(swift)
        swift.market.emag_refunds_return(RETURN)
        await hours_pass(swift, 7)
        await receive(swift)
        before = asked(swift)
        await receive(swift)
        quiet = asked(swift) - before
        await hours_pass(swift, 24 * 40)
        before = asked(swift)
        await receive(swift)
        assert asked(swift) - before == quiet
        assert (await mirrored(swift))["refund_at"] is None

    async def test_is_not_looked_for_in_every_run(self, swift: Shop) -> None:
        await closed_return(swift)
        before = shown(swift)
        await receive(swift)
        await hours_pass(swift, 5)
        await receive(swift)
        assert shown(swift) == before

    async def test_that_never_comes_costs_so_many_reads_and_not_one_more(self, swift: Shop) -> None:
        await closed_return(swift)
        before = shown(swift)
        for _ in range(60 * 4):
            await hours_pass(swift, 6)
            due = "SELECT 1 FROM app.emag_returns WHERE refund_at <= clock_timestamp()"
            if await swift.sql(due):
                await receive(swift)
        assert 15 <= shown(swift) - before <= 21
        assert (await mirrored(swift))["owed"] is False

    async def test_that_is_asked_for_but_not_paid_is_awaited_further(self, swift: Shop) -> None:
        await closed_return(swift)
        rma = swift.market.returns.get(RETURN)
        assert rma is not None
        swift.market.emag_refunds_return(RETURN, "20.00")
        [request] = rma["status_history"][-1]["requests"]
        request["refund_status"] = "pending"
        await hours_pass(swift, 7)
        await receive(swift)
        assert (await row_of(swift))["refund_processed"] is False
        request["refund_status"] = "refunded"
        await hours_pass(swift, 7)
        await receive(swift)
        assert (await row_of(swift))["refund_processed"] is True

    async def test_that_shows_in_the_order_is_looked_for_at_once(self, swift: Shop) -> None:
        await closed_return(swift)
        swift.market.emag_refunds_order(ORDER, "49.90")
        swift.market.emag_refunds_return(RETURN, "49.90")
        await receive_orders(replace(swift.channel, tally=Tally()))
        await receive(swift)
        assert (await row_of(swift))["refund_processed"] is True

    @pytest.mark.parametrize("return_type", [1, 2])
    async def test_is_not_expected_for_goods_that_are_exchanged(
        self, swift: Shop, return_type: int
    ) -> None:
        open_return(swift, date=long_ago(swift), request_status=7, return_type=return_type)
        await take(swift)
        assert (await mirrored(swift))["refund_at"] is None

    async def test_is_not_expected_of_what_was_refused_or_cancelled(self, swift: Shop) -> None:
        for status in (4, 5):
            open_return(swift, RETURN + status, request_status=status)
        await take(swift)
        awaited = await swift.sql("SELECT 1 FROM app.emag_returns WHERE refund_at IS NOT NULL")
        assert awaited == []

    async def test_is_not_looked_for_in_history_that_is_older(self, swift: Shop) -> None:
        old = swift.market.now() - timedelta(days=46)
        open_return(swift, date=old, request_status=7, return_type=3)
        await take(swift)
        assert (await mirrored(swift))["refund_at"] is None

    async def test_of_a_return_that_emag_no_longer_shows_is_no_problem(self, swift: Shop) -> None:
        await closed_return(swift)
        swift.market.returns.clear()
        await hours_pass(swift, 7)
        before = asked(swift)
        receipt = await receive(swift)
        assert (receipt.parked, (await mirrored(swift))["owed"]) == ([], False)
        vain = asked(swift) - before
        before = asked(swift)
        await receive(swift)
        assert asked(swift) - before < vain

    async def test_leaves_what_the_erp_noted_itself_alone_while_nothing_is_seen(
        self, swift: Shop
    ) -> None:
        await closed_return(swift)
        row = await row_of(swift)
        await swift.erp.update(Kind.RMA, row["id"], refund_processed=True, refund_amount=5)
        await hours_pass(swift, 7)
        await receive(swift)
        now = await row_of(swift)
        assert (now["refund_processed"], now["refund_amount"]) == (True, 5)
