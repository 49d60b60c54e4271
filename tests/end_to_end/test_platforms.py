"""One database, one account, one platform after another: neither knows what the other stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from integrations.emag.accounts import Account
from integrations.erp.rows import Kind
from integrations.sandbox.market import Market
from integrations.sandbox.server import serving
from integrations.sandbox.switches import Switches
from tests.end_to_end.conftest import Shop, open_shop
from tests.end_to_end.test_invoices import INVOICE, ORDER, attached, issued

RETURN = 52000077


@pytest.fixture
async def tried(shop: Shop, database_url: str) -> AsyncIterator[Shop]:
    """The same account and database at another platform, after all was tried at the first."""
    for kind in Kind:
        await shop.run_both(kind)
    account: Account = shop.channel.account
    market = Market(Switches(), credentials={account.username: account.password.get_secret_value()})
    async with (
        serving(market) as url,
        open_shop(database_url, market, replace(account, base_url=url)) as tried,
    ):
        yield tried
    assert market.journal.violations() == []


async def test_no_document_is_attached_beside_an_earlier_one_of_emags(tried: Shop) -> None:
    dated = datetime.now(tried.channel.account.zone).date() - timedelta(days=30)
    invoice = {"category": "normal", "order_id": ORDER, "date": dated.isoformat()}
    tried.market.add_issued_invoice(invoice)
    row = await issued(tried)
    await tried.run(INVOICE)
    assert await tried.state(INVOICE, row) == "refused"
    assert attached(tried) == []


async def test_what_happened_before_the_first_look_comes_in(tried: Shop) -> None:
    lately = datetime.now(UTC) - timedelta(hours=20)
    tried.market.add_order({"id": ORDER, "status": 0, "modified": lately})
    tried.market.add_return(
        {"emag_id": RETURN, "order_id": ORDER, "request_status": 7, "date": lately}
    )
    await tried.receive(Kind.CANCELLATION)
    await tried.receive(Kind.RMA)
    mirrored = "SELECT platform, {} AS number FROM app.{}"
    platform = tried.channel.account.platform
    for column, number in (("order_id", ORDER), ("emag_id", RETURN)):
        table = "emag_orders" if column == "order_id" else "emag_returns"
        assert await tried.sql(mirrored.format(column, table)) == [
            {"platform": platform, "number": number}
        ]
