"""Every return that is open, or was opened or closed since, is found in eMAG's listings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.emag.client import open_client
from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from integrations.ledger.mirror_returns import open_returns, owe
from integrations.ledger.profile import Profile
from tests.end_to_end.conftest import CONNECTING, QUICK, Shop
from tests.end_to_end.returns_in.returning import (
    RETURN,
    asked,
    items,
    long_ago,
    mirrored,
    open_return,
    receive,
    row_of,
    rows,
)


async def cursor(shop: Shop, kind: int = 3) -> datetime | None:
    found = await shop.sql(
        "SELECT position FROM app.emag_platform_cursors WHERE resource = :name",
        name=f"returns:{kind}",
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
    async with open_client(second, deadline=QUICK.deadline, connecting=CONNECTING) as client:
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


async def test_a_return_that_emag_no_longer_shows_rests(swift: Shop) -> None:
    open_return(swift)
    await receive(swift)
    swift.market.returns.clear()
    receipt = await receive(swift)
    assert [each.emag_id for each in receipt.parked] == [RETURN]
    assert "shows no return" in (await mirrored(swift))["problem"]
    assert (await receive(swift)).parked == []
