"""Reconciling: what agrees, what is put right, what is explained, and what nothing explains."""

from __future__ import annotations

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.certificates import newest
from integrations.ledger.differences import Why
from integrations.sandbox import routes
from integrations.sync import census
from integrations.sync.outage import OutageError
from tests.end_to_end.conftest import Shop
from tests.end_to_end.reconciling import (
    MANY,
    ORDER,
    a_day,
    ago,
    asked,
    cancellations,
    explanations,
    lose_at_emag,
    many_orders,
    mirrored,
    receive,
    reconcile,
    return_row,
    uncaptured,
)
from tests.end_to_end.returns_in.returning import carry_out, status_at_emag

pytestmark = pytest.mark.unpaced


# Agreeing


async def test_a_shop_that_agrees_is_certified_with_few_requests(shop: Shop) -> None:
    a_day(shop)
    await receive(shop)

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert certificate.differences == 0
    assert certificate.rows == {"orders": 12, "returns": 6}
    assert {what: len(each) for what, each in certificate.by_value.items()} == certificate.rows
    assert asked(certificate) <= 8
    stored = await newest(shop.channel.engine, certificate.platform, "main")
    assert stored is not None
    assert (stored["differences"], stored["unexplained"]) == (0, 0)
    assert stored["compared"] == certificate.compared
    assert stored["document"]["clean"]


async def test_an_empty_shop_takes_a_count_for_each_listing(shop: Shop) -> None:
    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert certificate.requests == {"order/count": 2, "rma/count": 2}


async def test_many_orders_are_counted_not_read(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "MOST_PAGES", 0)
    many_orders(shop)
    await reconcile(shop)

    certificate = await reconcile(shop)

    assert certificate.differences == 0
    assert certificate.requests.get("order/read", 0) <= 4  # the weeks with few orders
    assert certificate.requests["order/count"] <= 20
    in_progress = [each for each in certificate.sums() if each["status"] == 2]
    assert in_progress[0] == {
        "listing": "orders, own",
        "status": 2,
        "emag": MANY,
        "mirror": MANY,
    }


async def test_a_reconciliation_moves_no_cursor_and_sends_nothing(shop: Shop) -> None:
    a_day(shop)

    await reconcile(shop)

    assert (
        await shop.sql("SELECT 1 FROM app.emag_platform_cursors WHERE resource LIKE 'orders%'")
        == []
    )
    assert shop.market.journal.effects == []


# Put right


async def test_an_order_cancelled_behind_our_back_is_found_and_brought_in(shop: Shop) -> None:
    placed = ago(days=9)
    shop.market.add_order({"id": ORDER, "status": 2, "date": placed, "modified": placed})
    shop.switch(modified_stands_still=True)
    await reconcile(shop)
    shop.market.panel_cancels(ORDER)
    await receive(shop)
    assert await mirrored(shop, ORDER) == [2]

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert certificate.repaired.rows == 1
    [row] = await cancellations(shop, ORDER)
    assert row["status"] == "completed"
    assert (await reconcile(shop)).differences == 0


async def test_one_order_among_many_is_found_by_halving(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "MOST_PAGES", 0)
    numbers = many_orders(shop)
    await reconcile(shop)
    shop.market.panel_cancels(numbers[300])
    before = await reconcile(shop)
    shop.market.panel_cancels(numbers[500])

    after = await reconcile(shop)

    assert before.repaired.rows == after.repaired.rows == 1
    assert after.clean
    assert len(await cancellations(shop, numbers[500])) == 1
    assert after.requests["order/read"] <= 10  # of eight pages in all, and the weeks with few


async def test_what_the_mirror_lost_is_mirrored_again(shop: Shop) -> None:
    a_day(shop)
    await receive(shop)
    rows = await cancellations(shop, ORDER)
    await shop.sql("DELETE FROM app.emag_orders WHERE order_id = :id", id=ORDER)
    await shop.sql("DELETE FROM app.emag_returns WHERE status = 6")
    await shop.sql("UPDATE app.emag_orders SET status = 4 WHERE order_id = :id", id=ORDER + 1)

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert certificate.repaired.rows == 3
    assert await mirrored(shop, ORDER) == [0]
    assert await mirrored(shop, ORDER + 1) == [1]
    assert await cancellations(shop, ORDER) == rows


async def test_a_row_that_the_erp_lost_without_a_trace_is_brought_in_anew(shop: Shop) -> None:
    a_day(shop)
    await receive(shop)
    [before] = await cancellations(shop, ORDER)
    await uncaptured(shop, "DELETE FROM app.cancellation_items")
    await uncaptured(shop, "DELETE FROM app.cancellation_requests WHERE id = :id", id=before["id"])
    await uncaptured(
        shop,
        "DELETE FROM app.emag_cancellation_integrations WHERE cancellation_request_id = :id",
        id=before["id"],
    )

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert certificate.repaired.rows == 1
    [again] = await cancellations(shop, ORDER)
    assert again["id"] != before["id"]


async def test_a_status_that_the_erp_changed_unseen_is_its_decision_and_is_sent(shop: Shop) -> None:
    a_day(shop)
    await receive(shop)
    [received] = await shop.sql("SELECT emag_id FROM app.emag_returns WHERE status = 6")
    row = await return_row(shop, received["emag_id"])
    await uncaptured(
        shop, "UPDATE app.return_requests SET status = 'completed' WHERE id = :id", id=row["id"]
    )

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert explanations(certificate) == {Why.UNSENT: 1}
    [told] = certificate.explained[Why.UNSENT].shown
    assert "'completed'" in told.text
    await carry_out(shop)
    assert status_at_emag(shop, received["emag_id"]) == 7
    await receive(shop)
    assert (await return_row(shop, received["emag_id"]))["status"] == "completed"
    assert (await reconcile(shop)).differences == 0


async def test_a_row_that_is_older_than_what_was_brought_in_is_put_right(shop: Shop) -> None:
    a_day(shop)
    await receive(shop)
    [approved] = await shop.sql("SELECT emag_id FROM app.emag_returns WHERE status = 3")
    row = await return_row(shop, approved["emag_id"])
    [books] = await shop.sql(
        "SELECT erp_digest FROM app.emag_return_integrations WHERE return_request_id = :id",
        id=row["id"],
    )
    shop.market.courier_delivers_return(approved["emag_id"])
    await receive(shop)
    assert (await return_row(shop, approved["emag_id"]))["status"] == "processing"
    await uncaptured(
        shop, "UPDATE app.return_requests SET status = 'approved' WHERE id = :id", id=row["id"]
    )
    await uncaptured(
        shop,
        "UPDATE app.emag_return_integrations SET erp_digest = :digest"
        " WHERE return_request_id = :id",
        digest=books["erp_digest"],
        id=row["id"],
    )

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert certificate.repaired.rows == 1
    assert "'approved'" in certificate.repaired.shown[0].text
    assert (await return_row(shop, approved["emag_id"]))["status"] == "processing"


async def test_money_that_an_invoice_does_not_show_is_written_to_it(shop: Shop) -> None:
    shop.market.add_order({"id": ORDER, "status": 4, "date": ago(hours=9)})
    invoice = await shop.erp.add(Kind.INVOICE, ORDER, status="issued")
    shop.market.cod_is_cashed(ORDER)
    await receive(shop)
    assert (await shop.erp.row(Kind.INVOICE, invoice))["status"] == "paid"
    await uncaptured(shop, "UPDATE app.invoices SET status = 'issued' WHERE id = :id", id=invoice)

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert certificate.repaired.rows == 1
    [difference] = certificate.repaired.shown
    assert difference.text.startswith(f"invoice {invoice} was 'issued' with")
    assert "eMAG says 'paid' with" in difference.text
    assert difference.number == ORDER
    assert (await shop.erp.row(Kind.INVOICE, invoice))["status"] == "paid"


# Explained


async def test_what_the_erp_decided_and_emag_does_not_know_explains_a_difference(
    shop: Shop,
) -> None:
    a_day(shop)
    await receive(shop)
    [new] = await shop.sql("SELECT emag_id FROM app.emag_returns WHERE status = 2")
    row = await return_row(shop, new["emag_id"])
    await shop.erp.update(Kind.RMA, row["id"], status="approved")

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert explanations(certificate) == {Why.UNSENT: 1}
    assert (await return_row(shop, new["emag_id"]))["status"] == "approved"
    await shop.run(Kind.RMA)
    await receive(shop)
    assert (await reconcile(shop)).differences == 0


async def test_what_emag_refused_explains_a_difference(shop: Shop) -> None:
    a_day(shop)
    await receive(shop)
    [closed] = await shop.sql("SELECT emag_id FROM app.emag_returns WHERE status = 5")
    row = await return_row(shop, closed["emag_id"])
    await shop.erp.update(Kind.RMA, row["id"], status="completed")
    await shop.run(Kind.RMA)
    assert await shop.state(Kind.RMA, row["id"]) == "refused"

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert explanations(certificate) == {Why.REFUSED: 1}
    [example] = certificate.explained[Why.REFUSED].shown
    assert example.detail == await shop.reason(Kind.RMA, row["id"])


async def test_a_row_that_the_erp_deleted_explains_a_difference(shop: Shop) -> None:
    a_day(shop)
    await receive(shop)
    [row] = await cancellations(shop, ORDER)
    await shop.erp.delete(Kind.CANCELLATION, row["id"])

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert explanations(certificate) == {Why.DELETED: 1}
    assert await cancellations(shop, ORDER) == []


async def test_news_that_could_not_be_stored_explains_a_difference(shop: Shop) -> None:
    shop.market.add_order({"id": ORDER, "status": 4, "date": ago(hours=9)})
    rma = shop.market.add_return({"order_id": ORDER, "request_status": 2, "date": ago(hours=8)})
    await shop.sql("ALTER TABLE app.return_requests ADD CONSTRAINT no CHECK (status <> 'pending')")
    await receive(shop)

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert explanations(certificate) == {Why.PARKED: 1}
    [example] = certificate.explained[Why.PARKED].shown
    assert example.number == rma["emag_id"]
    assert "23514" in example.detail


async def test_a_row_from_before_the_installation_explains_a_difference(shop: Shop) -> None:
    shop.market.add_order({"id": ORDER, "status": 0, "date": ago(hours=9)})
    row_id = await shop.erp.add(Kind.CANCELLATION, ORDER, status="completed")
    await shop.sql("DELETE FROM app.emag_changes")

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert explanations(certificate) == {Why.BEFORE: 1}
    assert [row["id"] for row in await cancellations(shop, ORDER)] == [row_id]


# Believed only when seen again


async def test_a_difference_is_not_believed_at_first_sight(shop: Shop) -> None:
    await lose_at_emag(shop)

    once = await reconcile(shop, wait=False)
    twice = await reconcile(shop, wait=False)

    assert (once.unsure.rows, once.unexplained.rows, once.clean) == (1, 0, True)
    assert (twice.unsure.rows, twice.unexplained.rows, twice.clean) == (0, 1, False)
    assert "eMAG shows it no longer" in twice.unexplained.shown[0].text


async def test_a_second_look_within_the_run_settles_it(shop: Shop) -> None:
    await lose_at_emag(shop)

    certificate = await reconcile(shop)

    assert (certificate.unsure.rows, certificate.unexplained.rows) == (0, 1)


async def test_a_second_look_too_soon_proves_nothing(shop: Shop) -> None:
    await lose_at_emag(shop)

    await reconcile(shop, wait=False, recount_minutes=5)
    certificate = await reconcile(shop, wait=False, recount_minutes=5)

    assert (certificate.unsure.rows, certificate.unexplained.rows) == (1, 0)


async def test_what_has_moved_into_place_meanwhile_is_forgotten(shop: Shop) -> None:
    await lose_at_emag(shop)
    await reconcile(shop, wait=False)
    shop.market.add_order({"id": ORDER, "status": 2, "date": ago(days=3)})

    certificate = await reconcile(shop, wait=False)

    assert certificate.clean, certificate.incomplete
    assert certificate.unsure.rows == 0
    assert await shop.sql("SELECT 1 FROM app.emag_differences") == []


# Faults


@pytest.mark.parametrize("route", ["order/count", "order/read", "rma/count", "rma/read"])
async def test_no_certificate_without_answers(shop: Shop, route: str) -> None:
    a_day(shop)
    shop.market.faults.add(route, kind="http_500_html", times=None)

    with pytest.raises(OutageError):
        await reconcile(shop)

    assert await shop.sql("SELECT 1 FROM app.emag_certificates") == []


async def test_what_was_read_before_a_stop_is_not_read_again(shop: Shop) -> None:
    a_day(shop)
    shop.market.faults.add("rma/count", kind="http_500_html", times=None)
    with pytest.raises(OutageError):
        await reconcile(shop)
    shop.market.faults.clear()

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert certificate.repaired.rows == 6  # the returns; the orders were there already


async def test_filters_that_are_ignored_leave_no_clean_certificate(shop: Shop) -> None:
    shop.market.add_orders(
        {"id": ORDER + place, "status": 2, "date": ago(days=60)} for place in range(40)
    )
    await receive(shop)
    shop.switch(ignored_filters=frozenset({"createdAfter", "createdBefore"}))

    certificate = await reconcile(shop)

    assert not certificate.clean
    assert "ignored its filter" in certificate.incomplete[0]


async def test_a_status_filter_that_is_ignored_does_not_matter(shop: Shop) -> None:
    numbers = many_orders(shop)
    await reconcile(shop)
    shop.market.panel_cancels(numbers[300])
    shop.switch(ignored_filters=frozenset({"status"}))

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert certificate.repaired.rows == 1
    assert len(await cancellations(shop, numbers[300])) == 1


async def test_rows_that_move_between_pages_are_all_compared(shop: Shop) -> None:
    shop.market.add_orders(
        {"id": ORDER + place, "status": 2, "date": ago(hours=place)} for place in range(250)
    )
    shop.switch(page_shift=True)

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert len(await shop.sql("SELECT 1 FROM app.emag_orders")) == 250


async def test_returns_are_read_where_they_cannot_be_counted(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day(shop)
    monkeypatch.delitem(routes.ROUTES, "rma/count")

    certificate = await reconcile(shop)

    assert certificate.clean, certificate.incomplete
    assert certificate.rows["returns"] == 6
    unknown = shop.market.journal.violations()
    assert {each.text for each in unknown} == {"no route POST rma/count"}
    shop.market.journal.clear()


async def test_an_erp_that_was_there_first_is_compared_too(erp_first: Shop) -> None:
    a_day(erp_first)
    await receive(erp_first)

    certificate = await reconcile(erp_first)

    assert certificate.clean, certificate.incomplete
    assert certificate.differences == 0


async def test_no_customer_is_named_in_what_is_kept(shop: Shop) -> None:
    a_day(shop)
    await reconcile(shop)

    orders = [shop.market.orders.get(number) for number in shop.market.orders]
    names = {order["customer"]["name"] for order in orders if order}
    kept = await shop.sql(
        "SELECT document::text AS text FROM app.emag_certificates"
        " UNION ALL SELECT concat(subject, difference, explained) FROM app.emag_differences"
    )
    assert kept
    assert not any(name in row["text"] for name in names for row in kept)
