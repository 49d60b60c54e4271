"""A database with settings or an encoding of its own is served like any other."""

from __future__ import annotations

import pytest

from integrations.emag.accounts import Account
from integrations.erp.rows import Kind
from integrations.ledger.books import State
from integrations.ledger.check import check_database
from integrations.ledger.status import read_inbox, read_status
from integrations.sandbox.market import Market
from integrations.sync.work import end
from migrations.run import upgrade
from tasks.persist import persist_answers
from tests.end_to_end.conftest import Shop
from tests.end_to_end.pace import open_unpaced_shop
from tests.end_to_end.test_spine import claimed, folded
from tests.unusual import encoded, set_for_all

ORDER, RMA = 480000101, 52000077
NAME = "Țîță 🥔"


def put_at_emag(market: Market) -> None:
    for each in range(3):
        market.add_order({"id": ORDER + each, "status": 4 if each == 0 else 2})
    market.add_return(
        {"emag_id": RMA, "order_id": ORDER, "request_status": 2, "customer_name": NAME}
    )


async def carried(shop: Shop) -> None:
    """A day of the shop: both ways, and what an operator looks at."""
    put_at_emag(shop.market)
    returned = await shop.erp.add(Kind.RMA, ORDER + 1)
    cancelled = await shop.erp.add(Kind.CANCELLATION, ORDER + 2)
    for kind in Kind:
        await shop.run_both(kind)
    assert await shop.state(Kind.RMA, returned) == "waiting:emag_return"
    assert await shop.state(Kind.CANCELLATION, cancelled) == "synced"
    findings = await check_database(shop.channel.engine)
    assert [each for each in findings if not each.ok] == []
    assert await read_inbox(shop.channel.engine) == []
    assert (await read_status(shop.channel.engine)).changes == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DateStyle", "SQL, DMY"),
        ("DateStyle", "German"),
        ("IntervalStyle", "sql_standard"),
        ("client_encoding", "SQL_ASCII"),
        ("bytea_output", "escape"),
        ("extra_float_digits", "-2"),
        ("standard_conforming_strings", "off"),
        ("timezone", "Asia/Kolkata"),
    ],
)
async def test_settings_of_its_own(
    bare_database_url: str, market: Market, account: Account, name: str, value: str
) -> None:
    set_for_all(bare_database_url, name, value)
    upgrade(bare_database_url)
    async with open_unpaced_shop(bare_database_url, market, account) as shop:
        await carried(shop)


@pytest.mark.parametrize("encoding", ["LATIN2", "WIN1250"])
async def test_an_older_encoding(
    postgres: str, market: Market, account: Account, encoding: str
) -> None:
    with encoded(postgres, encoding) as url:
        upgrade(url)
        async with open_unpaced_shop(url, market, account) as shop:
            await carried(shop)
            [row] = await shop.sql(
                "SELECT id, customer_name, updated_at FROM app.return_requests"
                " WHERE emag_return_id = :rma",
                rma=str(RMA),
            )
            assert row["customer_name"] == "Tîtă ?"
            [told, *_] = await check_database(shop.channel.engine)
            assert f"what {encoding} lacks is written without accents, or as ?" in told.detail

            await shop.erp.update(Kind.RMA, row["id"], status="approved")
            await folded(shop)
            batch = await claimed(shop, Kind.RMA)
            for work in batch.works:
                end(work, State.REFUSED, reason=f"eMAG refused it: {NAME}")
            await persist_answers(shop.channel, batch)
            assert await shop.reason(Kind.RMA, row["id"]) == "eMAG refused it: Tîtă ?"
