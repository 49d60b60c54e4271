"""A callback is a hint that something is to be read; it can do nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import psycopg
import pytest

from integrations.emag.accounts import Account
from integrations.ledger import hints
from integrations.ledger.database import rolled_back
from integrations.ledger.engine import Engine
from integrations.services.books import Database
from integrations.web.app import create_app
from integrations.web.callbacks import secret_of
from integrations.web.context import Context
from tests.integrations.web.conftest import open_client

# What takes this long waits for ever.
WELL_BEYOND_SECONDS = 60.0


@pytest.fixture
def address(context: Context, account: Account) -> str:
    return f"/callbacks/{secret_of(context, account)}"


async def owed(engine: Engine) -> list[int]:
    query = (
        "SELECT order_id FROM app.emag_orders WHERE owed"
        " UNION ALL SELECT emag_id FROM app.emag_returns WHERE owed ORDER BY 1"
    )
    async with rolled_back(engine) as connection:
        return list((await connection.execute(query)).scalars())


async def test_an_order_is_queued_to_be_read(
    stranger: httpx.AsyncClient, engine: Engine, address: str
) -> None:
    answer = await stranger.get(f"{address}/new_order", params={"order_id": "480000101"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    await stranger.get(f"{address}/order_cancellation", params={"order_id": "480000101"})
    assert await owed(engine) == [480000101]


async def test_a_return_is_queued_to_be_read(
    stranger: httpx.AsyncClient, engine: Engine, address: str
) -> None:
    await stranger.get(f"{address}/return_status", params={"rma_id": "52000001"})
    assert await owed(engine) == [52000001]


@pytest.mark.parametrize("order_id", ["", "abc", "-1", "0", "4294967296", "1;DROP", "\u0661"])
async def test_what_names_no_order_is_passed_over(
    stranger: httpx.AsyncClient, engine: Engine, address: str, order_id: str
) -> None:
    answer = await stranger.get(f"{address}/new_order", params={"order_id": order_id})
    assert answer.status_code == 200
    assert await owed(engine) == []


async def test_another_secret_is_nobodys(stranger: httpx.AsyncClient, engine: Engine) -> None:
    answer = await stranger.get("/callbacks/0123/new_order", params={"order_id": "480000101"})
    assert answer.status_code == 404
    assert await owed(engine) == []


async def test_a_flood_of_unknown_orders_is_bounded(
    stranger: httpx.AsyncClient,
    engine: Engine,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hints, "MOST_UNSEEN", 5)
    for number in range(1, 20):
        await stranger.get(f"{address}/new_order", params={"order_id": str(number)})
    assert await owed(engine) == [1, 2, 3, 4, 5]


async def test_callbacks_about_a_row_that_is_held_are_answered_and_keep_nobody_out(
    context: Context, account: Account, database_url: str
) -> None:
    engine = Engine(database_url)
    context = replace(context, database=Database(engine))
    served = httpx.ASGITransport(create_app(context))
    async with (
        open_client(context, None, served) as emag,
        open_client(context, served=served) as seller,
        asyncio.timeout(WELL_BEYOND_SECONDS),
    ):

        async def call_back() -> httpx.Response:
            address = f"/callbacks/{secret_of(context, account)}/new_order"
            return await emag.get(address, params={"order_id": "480000101"})

        assert (await call_back()).status_code == 200
        with psycopg.connect(database_url) as connection:
            connection.execute("SELECT FROM app.emag_orders FOR UPDATE")
            calling = [asyncio.create_task(call_back()) for _ in range(6)]
            beside = [
                await seller.get("/integration/status"),
                await seller.get("http://localhost/ready"),
            ]
            answers = [await each for each in calling]
        afterwards = await call_back()
    engine.close()

    assert [each.status_code for each in beside] == [200, 200]
    assert {(each.status_code, each.headers["retry-after"]) for each in answers} == {(503, "5")}
    assert "no read of it was queued" in answers[0].json()["detail"]
    assert afterwards.status_code == 200
