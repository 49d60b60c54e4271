"""Reconciling by value: which money is compared, how much of it in a run, and what comes next."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.certificates import Certificate
from integrations.ledger.differences import Why
from integrations.sync import census, census_rows
from integrations.sync import reconcile as reconciling
from integrations.sync.channel import Tally
from tests.end_to_end.conftest import Shop
from tests.end_to_end.reconciling import (
    MANY,
    ORDER,
    ago,
    explanations,
    many_orders,
    receive,
    reconcile,
    uncaptured,
)

OLD = ORDER - 1000


pytestmark = pytest.mark.unpaced


async def paid_order(shop: Shop, order_id: int, days: float = 0.4) -> int:
    """An order whose money eMAG has and whose invoice says so; the invoice."""
    shop.market.add_order({"id": order_id, "status": 4, "date": ago(days=days)})
    invoice = await shop.erp.add(Kind.INVOICE, order_id, status="issued")
    shop.market.cod_is_cashed(order_id)
    await receive(shop)
    await shop.run(Kind.INVOICE)
    assert (await shop.erp.row(Kind.INVOICE, invoice))["status"] == "paid"
    return invoice


async def unpay(shop: Shop, invoice: int) -> None:
    """The ERP's database forgets a payment, and nobody sees it."""
    await uncaptured(
        shop,
        "UPDATE app.invoices SET status = 'issued', paid_amount = 0 WHERE id = :id",
        id=invoice,
    )


async def status(shop: Shop, invoice: int) -> str:
    return str((await shop.erp.row(Kind.INVOICE, invoice))["status"])


def compared(certificate: Certificate, listing: str = "orders, own") -> tuple[int, int]:
    """Days compared by value and by count."""
    [each] = [each for each in certificate.coverage() if each["listing"] == listing]
    return each["days_by_value"], each["days_by_count"]


# Days that agree by count


async def test_money_is_compared_although_the_numbers_agree(shop: Shop) -> None:
    numbers = many_orders(shop)
    await reconcile(shop)
    invoice = await shop.erp.add(Kind.INVOICE, numbers[300], status="issued")
    shop.market.cod_is_cashed(numbers[300])
    await receive(shop)
    assert await status(shop, invoice) == "paid"
    await unpay(shop, invoice)

    certificate = await reconcile(shop)

    assert await status(shop, invoice) == "paid"
    assert [each.number for each in certificate.repaired.shown] == [numbers[300]]
    assert compared(certificate) == (28, 0)
    assert len(certificate.by_value["orders"]) == MANY


async def test_beyond_the_limit_of_pages_days_are_only_counted_and_the_certificate_says_so(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "MOST_PAGES", 2)
    many_orders(shop)
    await reconcile(shop)

    certificate = await reconcile(shop)

    by_value, by_count = compared(certificate)
    assert by_value + by_count == 28
    assert by_count > 0
    assert f"{by_count} by count alone" in certificate.compared_how()[0]


async def test_days_that_were_compared_longest_ago_come_first(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "MOST_PAGES", 0)
    numbers = many_orders(shop)
    await reconcile(shop)
    await shop.sql("UPDATE app.emag_orders SET compared_at = NULL")
    monkeypatch.setattr(census, "MOST_PAGES", 3)
    seen: set[int] = set()

    for _ in range(6):
        seen |= (await reconcile(shop)).by_value["orders"]

    assert seen == set(numbers)


# Money that is open, however old


async def test_an_old_order_whose_invoice_is_unpaid_is_compared(shop: Shop) -> None:
    invoice = await paid_order(shop, OLD, days=20)
    await shop.sql("UPDATE app.emag_orders SET placed_at = placed_at - interval '90 days'")
    await unpay(shop, invoice)

    certificate = await reconcile(shop, since=ago(days=2).date())

    assert certificate.clean, certificate.incomplete
    assert await status(shop, invoice) == "paid"
    assert certificate.repaired.rows == 1


async def test_what_is_beyond_the_limit_is_told_and_comes_round(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "MOST_MONEY", 2)
    invoices = [await paid_order(shop, OLD + place, days=20) for place in range(5)]
    for invoice in invoices:
        await unpay(shop, invoice)
    left = []

    for _ in range(3):
        certificate = await reconcile(shop, since=ago(days=2).date())
        left.append(certificate.left["orders"])

    assert left == [3, 1, 0]
    assert [await status(shop, invoice) for invoice in invoices] == ["paid"] * 5


async def test_what_stays_unpaid_makes_room_for_the_others(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "MOST_MONEY", 1)
    for place in range(3):
        shop.market.add_order({"id": OLD + place, "status": 4, "date": ago(days=20)})
        await shop.erp.add(Kind.INVOICE, OLD + place, status="issued")
    await reconcile(shop)
    await shop.run(Kind.INVOICE)
    since = ago(days=2).date()

    seen = [set((await reconcile(shop, since=since)).by_value["orders"]) for _ in range(3)]

    assert set.union(*seen) == {OLD, OLD + 1, OLD + 2}
    assert [len(each) for each in seen] == [1, 1, 1]


async def test_an_old_difference_that_was_put_right_is_forgotten(shop: Shop) -> None:
    await paid_order(shop, OLD, days=20)
    await unpay(shop, 1)
    day = (
        await shop.sql(
            "SELECT (placed_at AT TIME ZONE 'Europe/Bucharest')::date AS day FROM app.emag_orders"
        )
    )[0]["day"]
    await shop.sql(
        "INSERT INTO app.emag_differences (platform, account, subject, difference, times,"
        " last_seen_at, first_seen_at)"
        " VALUES (:platform, 'main', :subject, 'eMAG shows it no longer', 2, now(), now())",
        platform=shop.channel.account.platform,
        subject=f"{day} order {OLD}",
    )

    await reconcile(shop, since=ago(days=2).date())

    assert await shop.sql("SELECT 1 FROM app.emag_differences") == []


async def test_an_old_refund_that_came_late_is_brought_in(shop: Shop) -> None:
    shop.market.add_order({"id": OLD, "status": 4, "date": ago(days=25)})
    rma = shop.market.add_return({"order_id": OLD, "request_status": 7, "date": ago(days=20)})
    await reconcile(shop)
    await shop.sql("UPDATE app.emag_returns SET refund_at = NULL, refund_since = NULL")
    await uncaptured(shop, "UPDATE app.return_requests SET refund_amount = 10")
    shop.market.emag_refunds_return(rma["emag_id"], 25)

    certificate = await reconcile(shop, since=ago(days=2).date())

    [row] = await shop.sql("SELECT refund_amount, refund_processed FROM app.return_requests")
    assert row == {"refund_amount": Decimal(25), "refund_processed": True}
    assert certificate.clean, certificate.incomplete


# Money that only the ERP shows


async def test_a_payment_that_emag_does_not_show_is_shown(shop: Shop) -> None:
    shop.market.add_order({"id": ORDER, "status": 4, "date": ago(hours=9)})
    invoice = await shop.erp.add(Kind.INVOICE, ORDER, status="paid", paid_amount=119)
    await receive(shop)

    certificate = await reconcile(shop)

    assert explanations(certificate) == {Why.ELSEWHERE: 1}
    [difference] = certificate.explained[Why.ELSEWHERE].shown
    assert difference.text == (
        f"invoice {invoice} is 'paid' with 119.00 paid, no day of payment, eMAG shows no payment"
    )
    assert await status(shop, invoice) == "paid"


@pytest.mark.parametrize("odd", ["1e300", "Infinity", "NaN"])
async def test_a_refund_that_is_no_amount_of_money_is_shown_as_it_stands(
    shop: Shop, odd: str
) -> None:
    shop.market.add_order({"id": ORDER, "status": 4, "date": ago(hours=9)})
    shop.market.add_return({"order_id": ORDER, "request_status": 3, "date": ago(hours=8)})
    await reconcile(shop)
    refund = "ALTER COLUMN refund_amount"
    await shop.sql(f"ALTER TABLE app.return_requests {refund} TYPE double precision")
    await uncaptured(
        shop, f"UPDATE app.return_requests SET refund_amount = '{odd}', refund_processed = true"
    )

    certificate = await reconcile(shop)

    [difference] = certificate.explained[Why.ELSEWHERE].shown
    shown = f'"{"1" + "0" * 36 if odd == "1e300" else odd}'
    assert f"holds a refund of {shown}" in difference.text


async def test_money_in_another_currency_is_told(shop: Shop) -> None:
    shop.market.add_order({"id": ORDER, "status": 4, "date": ago(hours=9)})
    await shop.erp.add(Kind.INVOICE, ORDER, status="issued", currency="EUR")
    shop.market.cod_is_cashed(ORDER)
    await receive(shop)

    certificate = await reconcile(shop)

    assert explanations(certificate) == {Why.PARKED: 1}
    [difference] = certificate.explained[Why.PARKED].shown
    assert "is in EUR" in difference.detail


async def test_money_that_the_erp_refuses_is_told(shop: Shop) -> None:
    invoice = await paid_order(shop, ORDER)
    await unpay(shop, invoice)
    await shop.sql("ALTER TABLE app.invoices ADD CONSTRAINT no CHECK (status <> 'paid')")

    certificate = await reconcile(shop)

    assert explanations(certificate) == {Why.PARKED: 1}
    [difference] = certificate.explained[Why.PARKED].shown
    assert difference.number == ORDER
    assert await status(shop, invoice) == "issued"


async def test_money_that_the_erp_refused_before_is_told_by_each_certificate(shop: Shop) -> None:
    shop.market.add_order({"id": ORDER, "status": 4, "date": ago(days=0.4)})
    invoice = await shop.erp.add(Kind.INVOICE, ORDER, status="issued")
    await shop.sql("ALTER TABLE app.invoices ADD CONSTRAINT no CHECK (status <> 'paid')")
    shop.market.cod_is_cashed(ORDER)
    await receive(shop)
    assert await status(shop, invoice) == "issued"

    for _ in range(2):
        certificate = await reconcile(shop)
        assert explanations(certificate) == {Why.PARKED: 1}


async def test_money_that_the_erp_refuses_is_told_although_its_order_is_read_again(
    shop: Shop,
) -> None:
    """As where the step is repeated, since the database was away for a moment."""
    invoice = await paid_order(shop, ORDER)
    await unpay(shop, invoice)
    await shop.sql("ALTER TABLE app.invoices ADD CONSTRAINT no CHECK (status <> 'paid')")
    channel = replace(shop.channel, tally=Tally(), background=True)
    work = await reconciling.begin(channel, None, None, 0.0, lambda _: None)

    await reconciling.reconcile_with_emag(work)
    await reconciling.reconcile_with_emag(work)
    certificate = await reconciling.certify(work)

    assert explanations(certificate) == {Why.PARKED: 1}


# More than can be looked up


async def test_rows_beyond_the_limit_are_unexplained_until_they_are_looked_up(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census_rows, "MOST_SINGLES", 2)
    for place in range(5):
        await shop.sql(
            "INSERT INTO app.emag_orders (platform, order_id, account, type, status, placed_at,"
            " digest, read_at, changed_at, owed) VALUES (:platform, :id, 'main', 3, 2, :placed,"
            " '', now(), now(), false)",
            platform=shop.channel.account.platform,
            id=ORDER + place,
            placed=ago(days=3),
        )
    shop.market.add_order({"id": ORDER + 4, "status": 2, "date": ago(days=40)})

    first = await reconcile(shop, wait=False)
    assert not first.clean
    assert first.unlooked == {"orders": 3}
    assert (first.unexplained.rows, first.unsure.rows) == (3, 2)
    assert {each.detail for each in first.unexplained.shown} == {
        "its number was not looked up yet: the next run does"
    }
    assert any("nobody has looked up yet: 3" in line for line in first.compared_how())

    second = await reconcile(shop, wait=False)
    third = await reconcile(shop, wait=False)

    looked = await shop.sql("SELECT order_id FROM app.emag_orders WHERE compared_at IS NOT NULL")
    assert len(looked) == 5
    assert not second.clean
    # What was there after all, if placed on another day, is a difference no longer.
    assert third.unlooked == {"orders": 3}
    kept = await shop.sql("SELECT subject FROM app.emag_differences ORDER BY subject")
    assert [row["subject"].rsplit(" ", 1)[1] for row in kept] == [
        str(ORDER + place) for place in range(4)
    ]


async def test_what_was_not_looked_up_is_so_in_the_second_look(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census_rows, "MOST_SINGLES", 200)
    numbers = [ORDER + place for place in range(205)]
    shop.market.add_orders({"id": each, "status": 2, "date": ago(hours=50)} for each in numbers)
    await reconcile(shop)
    shop.market.orders.clear()

    certificate = await reconcile(shop)

    assert certificate.unexplained.rows == 205
    assert certificate.unlooked == {"orders": 5}
    assert certificate.repaired.rows == 0


async def test_rows_that_only_the_erp_has_are_all_told_however_many(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "MOST_UNMIRRORED", 2)
    await uncaptured(
        shop,
        "WITH row AS (INSERT INTO app.return_requests (emag_order_id, emag_return_id, status)"
        " SELECT :order_text, 52000000 + n, 'approved' FROM generate_series(1, 5) n"
        " RETURNING id, emag_return_id)"
        " INSERT INTO app.emag_return_integrations (return_request_id, emag_return_id, platform,"
        " emag_order_id, account_type, sync_state, queued_at)"
        " SELECT id, emag_return_id, :platform, :order_id, 'main', 'synced', now() FROM row",
        order_text=str(ORDER),
        order_id=ORDER,
        platform=shop.channel.account.platform,
    )

    certificate = await reconcile(shop, wait=False)

    assert certificate.unlooked == {"returns": 3}
    assert (certificate.unexplained.rows, certificate.unsure.rows) == (3, 2)
