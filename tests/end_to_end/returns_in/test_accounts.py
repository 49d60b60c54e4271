"""A return comes in once, whatever account the ERP's row about it names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from integrations.emag.accounts import Account
from integrations.erp.rows import Kind
from integrations.ledger.hints import hint_return
from tests.end_to_end.conftest import Shop
from tests.end_to_end.returns_in.returning import (
    ORDER,
    RETURN,
    long_ago,
    mirrored,
    open_return,
    receive,
    row_of,
    rows,
    take,
)

pytestmark = pytest.mark.usefixtures("fbe")


@pytest.mark.parametrize("named", [None, "", "fbe", " FBE ", "outlet"])
@pytest.mark.parametrize("how", ["names it", "is about its order"])
async def test_a_row_of_any_account_or_none_is_the_only_one(
    shop: Shop, named: str | None, how: str
) -> None:
    open_return(shop, request_status=3)
    fields = {"emag_return_id": str(RETURN)} if how == "names it" else {}
    await shop.erp.add(Kind.RMA, ORDER, account_type=named, **fields)
    await take(shop)
    await shop.run(Kind.RMA)
    await take(shop)
    [row] = await rows(shop)
    assert row["account_type"] == named


async def test_a_row_of_the_other_account_goes_its_way(shop: Shop, fbe: Shop) -> None:
    open_return(shop, request_status=3)
    row_id = await shop.erp.add(Kind.RMA, ORDER, account_type="fbe", emag_return_id=str(RETURN))
    await take(shop)
    await fbe.run(Kind.RMA)
    assert await shop.state(Kind.RMA, row_id) == "synced"
    shop.market.courier_delivers_return(RETURN)
    await take(shop)
    assert (await row_of(shop))["status"] == "processing"


async def test_a_row_that_names_no_account_is_linked_once_it_names_one(shop: Shop) -> None:
    open_return(shop)
    row_id = await shop.erp.add(Kind.RMA, ORDER, account_type=None)
    await shop.run(Kind.RMA)
    assert await shop.state(Kind.RMA, row_id) == "waiting:account"
    await take(shop)
    assert (await mirrored(shop))["owed"]
    await shop.erp.update(Kind.RMA, row_id, account_type="main")
    await shop.run(Kind.RMA)
    assert [row["id"] for row in await rows(shop)] == [row_id]
    assert (await row_of(shop))["id"] == row_id


@pytest.mark.parametrize("named", [None, "fbe"])
async def test_a_row_from_before_the_installation_follows_emag(
    shop: Shop, named: str | None
) -> None:
    open_return(shop, request_status=6)
    await shop.erp.add(
        Kind.RMA, ORDER, account_type=named, status="pending", emag_return_id=str(RETURN)
    )
    await shop.sql("DELETE FROM app.emag_changes")
    await take(shop)
    [row] = await rows(shop)
    assert (row["status"], row["emag_status"]) == ("processing", "in_progress")


async def test_a_row_of_an_account_elsewhere_is_about_another_return(
    shop: Shop, account: Account
) -> None:
    away = replace(
        account,
        name="bg",
        base_url="https://marketplace-api.emag.bg/api-3",
        password=SecretStr("elsewhere"),
    )
    shop.channel = replace(shop.channel, accounts={"main": account, "bg": away})
    open_return(shop, request_status=3)
    await shop.erp.add(Kind.RMA, ORDER, account_type="bg", emag_return_id=str(RETURN))
    await take(shop)
    assert [row["account_type"] for row in await rows(shop)] == ["bg", "main"]


async def test_of_two_rows_the_accounts_own_follows_emag(shop: Shop) -> None:
    open_return(shop, request_status=6)
    for each in (None, "main", "fbe"):
        await shop.erp.add(
            Kind.RMA, ORDER, account_type=each, status="pending", emag_return_id=str(RETURN)
        )
    await shop.sql("DELETE FROM app.emag_changes")
    await take(shop)
    assert [row["status"] for row in await rows(shop)] == ["pending", "processing", "pending"]


async def test_a_callback_at_the_other_accounts_address_is_heard(shop: Shop, fbe: Shop) -> None:
    open_return(shop, type=2, request_status=7, date=long_ago(shop))
    account = shop.channel.account
    await hint_return(shop.channel.engine, account.platform, account.name, 3, RETURN)
    assert (await receive(shop)).parked == []
    assert (await mirrored(shop))["account"] == "fbe"
    assert (await row_of(shop))["account_type"] == "fbe"
    await receive(fbe)
    assert len(await rows(shop)) == 1
