"""Reconciling while things go wrong: what eMAG hides, what changes meanwhile, who is cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from flows.parameters import ReconcileParameters
from flows.reconciliation import reconcile_channel
from integrations.erp.rows import Kind
from integrations.ledger.certificates import Certificate
from integrations.ledger.differences import Why
from integrations.sandbox import routes
from integrations.sandbox.exchange import Answer, Ask, refusal
from integrations.sync import census
from integrations.sync import reconcile as reconciling
from integrations.sync.ask import ReadRefusedError
from integrations.sync.census_state import Census
from integrations.sync.channel import Tally
from integrations.sync.span import Span
from tests.end_to_end.conftest import Shop
from tests.end_to_end.reconciling import (
    ORDER,
    a_day,
    ago,
    cancellations,
    explanations,
    lose_at_emag,
    many_orders,
    mirrored,
    receive,
    reconcile,
    uncaptured,
)

BUCHAREST = ZoneInfo("Europe/Bucharest")


pytestmark = pytest.mark.unpaced


def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything count as too much to be read."""
    monkeypatch.setattr(census, "PAGE", 1)
    monkeypatch.setattr(census, "MOST_PAGES", 0)


def hide(
    monkeypatch: pytest.MonkeyPatch, route: str, is_hidden: Callable[[dict[str, object]], bool]
) -> None:
    """Let a listing of the sandbox's leave rows out, although they are counted."""
    real = routes.ROUTES[route]

    def answer(ask: Ask) -> Answer:
        answered = real.handle(ask)
        assert isinstance(answered.body, dict)
        rows = [row for row in answered.body["results"] if not is_hidden(row)]
        return replace(answered, body={**answered.body, "results": rows})

    monkeypatch.setitem(routes.ROUTES, route, replace(real, handle=answer))


# What eMAG hides


async def test_an_order_that_is_counted_and_never_shown_is_unexplained(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day(shop)
    hide(monkeypatch, "order/read", lambda row: row["id"] == ORDER)

    certificate = await reconcile(shop)

    assert not certificate.clean
    assert "eMAG counts 12 rows and shows 11" in certificate.unexplained.shown[0].text


async def test_a_count_that_no_page_bears_out_is_not_explained_by_other_days(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day(shop)
    await receive(shop)
    counted(monkeypatch)
    hide(monkeypatch, "order/read", lambda row: row["id"] == ORDER + 1)
    await uncaptured(shop, "DELETE FROM app.emag_orders WHERE order_id = :id", id=ORDER + 1)

    certificate = await reconcile(shop)

    assert explanations(certificate) == {}
    assert certificate.unexplained.rows == 1
    assert "1 new 1 and 0" in certificate.unexplained.shown[0].text


async def test_rows_that_count_under_another_day_than_they_show_are_explained(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(monkeypatch)
    day = datetime.combine(ago(days=9).astimezone(BUCHAREST), time.min, BUCHAREST)
    for place in range(8):
        shop.market.add_order({"id": ORDER + place, "status": 2, "date": day, "created": day})
    before = day - timedelta(minutes=2)
    shop.market.add_order({"id": ORDER + 8, "status": 2, "date": before, "created": day})
    await reconcile(shop)

    certificate = await reconcile(shop, since=day.date(), until=day.date())

    assert certificate.clean, certificate.unexplained
    assert explanations(certificate) == {Why.DATED: 1}


async def test_an_order_in_a_status_that_nobody_knows_is_found(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day(shop)
    await receive(shop)
    counted(monkeypatch)
    await uncaptured(shop, "DELETE FROM app.emag_orders WHERE order_id = :id", id=ORDER + 1)
    order = shop.market.orders.get(ORDER + 1)
    assert order is not None
    shop.market.orders.move(order, 9)

    certificate = await reconcile(shop)

    assert await mirrored(shop, ORDER + 1) == [9]
    assert any(each.number == ORDER + 1 for each in certificate.repaired.shown)


async def test_pages_that_are_clipped_without_a_word_are_read_to_their_end(shop: Shop) -> None:
    shop.market.add_orders(
        {"id": ORDER + place, "status": 2, "date": ago(hours=place)} for place in range(20)
    )
    shop.switch(page_cap=7)

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert len(await shop.sql("SELECT 1 FROM app.emag_orders")) == 20


# Answers that fail, or are old


async def test_a_single_row_that_cannot_be_read_costs_no_certificate(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day(shop)
    await receive(shop)
    await lose_at_emag(shop, ORDER + 900)
    real = routes.ROUTES["order/read"]

    def refuse(ask: Ask) -> Answer:
        filters = ask.body.get("data", ask.body)
        if "id" in filters:
            return refusal(ask.market, ["Internal problem with this order"])
        return real.handle(ask)

    monkeypatch.setitem(routes.ROUTES, "order/read", replace(real, handle=refuse))

    certificate = await reconcile(shop)

    assert certificate.incomplete == []
    assert [each.number for each in certificate.unexplained.shown] == [ORDER + 900]
    assert "Internal problem" in certificate.unexplained.shown[0].text


async def test_every_third_request_fails_and_all_is_compared(shop: Shop) -> None:
    a_day(shop)
    await receive(shop)
    shop.market.faults.add("order/*", kind="http_502_html", every=3)
    shop.market.faults.add("rma/*", kind="reset", every=3)

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert certificate.differences == 0


async def test_an_old_answer_is_not_believed(shop: Shop) -> None:
    a_day(shop)
    await receive(shop)
    shop.market.panel_cancels(ORDER + 2)
    await receive(shop)
    shop.market.faults.add("order/read", kind="stale", effects=1, times=1)

    certificate = await reconcile(shop)

    assert certificate.unexplained.rows == 0, certificate.unexplained
    await receive(shop)
    after = await reconcile(shop)
    assert after.clean
    assert await mirrored(shop, ORDER + 2) == [0]
    assert len(await cancellations(shop, ORDER + 2)) == 1


async def test_a_day_that_could_not_be_read_for_its_values_is_counted_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = many_orders(shop)
    await reconcile(shop)
    hide_after = {"left": 1}
    real = census.compare_by_value

    async def then_refuse(work: Census, span: Span) -> None:
        if work.type == 3 and hide_after["left"]:
            hide_after["left"] = 0
            monkeypatch.setattr(census, "_read", refused)
        await real(work, span)
        monkeypatch.undo()

    async def refused(*_: object) -> dict[int, tuple[int, date]]:
        raise ReadRefusedError("Internal problem with this page")

    monkeypatch.setattr(reconciling, "compare_by_value", then_refuse)

    certificate = await reconcile(shop)

    assert certificate.incomplete == []
    [orders] = [each for each in certificate.coverage() if each["listing"] == "orders, own"]
    assert orders["days_by_value"] + orders["days_by_count"] == 28
    assert sum(each["emag"] for each in certificate.sums()) == len(numbers)


# What changes meanwhile


async def test_what_the_erp_decides_between_the_looks_stands(shop: Shop) -> None:
    a_day(shop)
    await receive(shop)
    [new] = await shop.sql("SELECT emag_id FROM app.emag_returns WHERE status = 2")
    [row] = await shop.sql(
        "SELECT id FROM app.return_requests WHERE emag_return_id = :id", id=str(new["emag_id"])
    )
    await lose_at_emag(shop, ORDER + 900)
    decided = asyncio.Event()

    def say(text: str) -> None:
        if "looking again" in text:
            decided.set()

    async def decide() -> None:
        await decided.wait()
        await shop.erp.update(Kind.RMA, row["id"], status="approved")

    deciding = asyncio.create_task(decide())
    certificate = await reconcile_saying(shop, say, recount_minutes=0.02)
    await deciding

    [after] = await shop.sql("SELECT status FROM app.return_requests WHERE id = :id", id=row["id"])
    assert after["status"] == "approved"
    assert [each.number for each in certificate.unexplained.shown] == [ORDER + 900]


async def test_a_run_that_is_killed_anywhere_leaves_nothing_wrong(shop: Shop) -> None:
    a_day(shop)
    await receive(shop)
    numbers = many_orders_beside(shop)
    invoice = await shop.erp.add(Kind.INVOICE, numbers[0], status="issued")
    shop.market.cod_is_cashed(numbers[0])
    for lives in (3, 9, 15, 21, 27):
        left = lives

        def say(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise asyncio.CancelledError

        with suppress(asyncio.CancelledError):
            await reconcile_saying(shop, say)

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert (await shop.erp.row(Kind.INVOICE, invoice))["status"] == "paid"
    assert (await reconcile(shop)).differences == 0


async def test_two_at_once_find_the_same_and_repair_it_once(shop: Shop) -> None:
    a_day(shop)
    await receive(shop)
    await uncaptured(shop, "DELETE FROM app.emag_orders WHERE order_id = :id", id=ORDER)
    [row] = await cancellations(shop, ORDER)
    await uncaptured(
        shop,
        "DELETE FROM app.emag_cancellation_integrations WHERE cancellation_request_id = :id",
        id=row["id"],
    )
    await uncaptured(shop, "DELETE FROM app.cancellation_items")
    await uncaptured(shop, "DELETE FROM app.cancellation_requests WHERE id = :id", id=row["id"])

    both = await asyncio.gather(reconcile(shop), reconcile(shop))

    assert all(each.clean for each in both), [each.unexplained for each in both]
    assert len(await cancellations(shop, ORDER)) == 1
    assert (await reconcile(shop)).differences == 0


# Accounts and days


async def test_accounts_that_share_a_login_are_each_compared_with_their_own(
    shop: Shop, fbe: Shop
) -> None:
    shop.market.add_order({"id": ORDER, "status": 0, "type": 3, "date": ago(hours=9)})
    shop.market.add_order({"id": ORDER + 1, "status": 0, "type": 2, "date": ago(hours=9)})
    await receive(shop)
    await receive(fbe)

    main, other = await asyncio.gather(reconcile(shop), reconcile(fbe))

    assert (main.rows, other.rows) == ({"orders": 1}, {"orders": 1})
    assert main.differences == other.differences == 0
    assert (main.by_value["orders"], other.by_value["orders"]) == ({ORDER}, {ORDER + 1})


async def test_orders_that_go_to_a_new_account_are_compared_there(shop: Shop, fbe: Shop) -> None:
    shop.market.add_order({"id": ORDER, "status": 0, "type": 2, "date": ago(hours=9)})
    account = shop.channel.account
    alone = replace(shop.channel, accounts={account.name: account})
    await receive(Shop(shop.erp, shop.market, alone))

    main, other = await reconcile(shop), await reconcile(fbe)

    assert main.clean
    assert other.clean
    assert [row["account"] for row in await shop.sql("SELECT account FROM app.emag_orders")] == [
        "fbe"
    ]


@pytest.mark.parametrize("changes", [date(2026, 3, 29), date(2026, 10, 25)])
@pytest.mark.parametrize("how", ["read", "counted"])
async def test_days_on_which_clocks_change_are_days_like_others(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, changes: date, how: str
) -> None:
    if how == "counted":
        counted(monkeypatch)
    moments = [
        datetime(changes.year, changes.month, changes.day + day, hour, minute, tzinfo=BUCHAREST)
        for day in (-1, 0, 1)
        for hour, minute in ((0, 0), (0, 30), (2, 59), (3, 30), (4, 0), (23, 59))
    ]
    for place, moment in enumerate(moments):
        shop.market.add_order(
            {"id": ORDER + place, "status": place % 2, "date": moment.astimezone(UTC)}
        )
    whole = {
        "since": date(changes.year, changes.month, changes.day - 1),
        "until": date(changes.year, changes.month, changes.day + 1),
    }
    await reconcile(shop, **whole)

    for days in (whole, {"since": changes, "until": changes}):
        certificate = await reconcile(shop, **days)
        assert certificate.clean, certificate.incomplete
        assert certificate.differences == 0
        assert certificate.rows["orders"] == (18 if days is whole else 6)


def many_orders_beside(shop: Shop) -> list[int]:
    """Orders of other days that the mirror does not know."""
    numbers = [ORDER + 500 + place for place in range(30)]
    shop.market.add_orders(
        {"id": each, "status": 4, "date": ago(days=each % 20)} for each in numbers
    )
    return numbers


async def reconcile_saying(
    shop: Shop, say: Callable[[str], None], **parameters: float
) -> Certificate:
    channel = replace(shop.channel, tally=Tally(), background=True)
    chosen = ReconcileParameters.model_validate({"recount_minutes": 0, **parameters})
    return await reconcile_channel(channel, chosen, say)
