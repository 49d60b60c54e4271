"""Two accounts with one login: an order that is read by its number goes to whose type it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.ledger.hints import hint_order
from integrations.ledger.mirror_orders import owe
from integrations.sandbox.market import Market
from tests.end_to_end.conftest import Shop
from tests.end_to_end.orders_in.conftest import ORDER, an_order, mirrored, receive, rows
from tests.end_to_end.reconciling import reconcile

LONG_AGO = datetime.now(UTC) - timedelta(days=10)


def becomes_fulfilled_by_emag(market: Market) -> None:
    """An order changes its type, and nothing says when."""
    order = market.orders.get(ORDER)
    assert order is not None
    market.orders.clear()
    market.add_order({**order, "type": 2, "status": 0, "modified": LONG_AGO})


@pytest.mark.parametrize("status", [0, 2])
async def test_a_callback_at_the_other_accounts_address_is_heard(
    shop: Shop, fbe: Shop, status: int
) -> None:
    shop.market.add_order(
        {"id": ORDER, "status": status, "type": 2, "date": LONG_AGO, "modified": LONG_AGO}
    )
    account = shop.channel.account
    await hint_order(shop.channel.engine, account.platform, account.name, 3, ORDER)
    receipt = await receive(shop)
    assert receipt.parked == []
    order = await mirrored(shop)
    assert (order["account"], order["type"], order["status"]) == ("fbe", 2, status)
    assert [row["account_type"] for row in await rows(shop)] == ["fbe"] * (status == 0)
    await receive(fbe)
    assert len(await rows(shop)) == (status == 0)


async def test_an_order_that_came_to_be_fulfilled_by_emag_is_given_to_that_account(
    shop: Shop, fbe: Shop
) -> None:
    an_order(shop)
    await receive(shop)
    becomes_fulfilled_by_emag(shop.market)
    await owe(shop.channel.engine, shop.channel.account.platform, [ORDER])
    assert (await receive(shop)).parked == []
    [row] = await rows(shop)
    assert (row["account_type"], row["status"]) == ("fbe", "completed")
    order = await mirrored(shop)
    assert (order["account"], order["type"], order["owed"]) == ("fbe", 2, False)
    assert (await receive(fbe)).parked == []


async def test_reconciling_gives_it_to_that_account_too(shop: Shop, fbe: Shop) -> None:
    an_order(shop, date=datetime.now(UTC) - timedelta(hours=9))
    await receive(shop)
    becomes_fulfilled_by_emag(shop.market)
    certificate = await reconcile(shop)
    assert certificate.clean
    [difference] = certificate.repaired.shown
    assert "account fbe sees to it" in difference.text
    assert [row["account_type"] for row in await rows(shop)] == ["fbe"]
    other = await reconcile(fbe)
    assert other.clean
    assert other.differences == 0
