"""A callback is a hint that something is to be read; it can do nothing else."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.emag.accounts import Account
from integrations.ledger import hints
from integrations.web.callbacks import secret_of
from integrations.web.context import Context


@pytest.fixture
def address(context: Context, account: Account) -> str:
    return f"/callbacks/{secret_of(context, account)}"


async def owed(engine: AsyncEngine) -> list[int]:
    query = text(
        "SELECT order_id FROM app.emag_orders WHERE owed"
        " UNION ALL SELECT emag_id FROM app.emag_returns WHERE owed ORDER BY 1"
    )
    async with engine.connect() as connection:
        return list((await connection.execute(query)).scalars())


async def test_an_order_is_queued_to_be_read(
    stranger: httpx.AsyncClient, engine: AsyncEngine, address: str
) -> None:
    answer = await stranger.get(f"{address}/new_order", params={"order_id": "480000101"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    await stranger.get(f"{address}/order_cancellation", params={"order_id": "480000101"})
    assert await owed(engine) == [480000101]


async def test_a_return_is_queued_to_be_read(
    stranger: httpx.AsyncClient, engine: AsyncEngine, address: str
) -> None:
    await stranger.get(f"{address}/return_status", params={"rma_id": "52000001"})
    assert await owed(engine) == [52000001]


@pytest.mark.parametrize("order_id", ["", "abc", "-1", "0", "4294967296", "1;DROP", "\u0661"])
async def test_what_names_no_order_is_passed_over(
    stranger: httpx.AsyncClient, engine: AsyncEngine, address: str, order_id: str
) -> None:
    answer = await stranger.get(f"{address}/new_order", params={"order_id": order_id})
    assert answer.status_code == 200
    assert await owed(engine) == []


async def test_another_secret_is_nobodys(stranger: httpx.AsyncClient, engine: AsyncEngine) -> None:
    answer = await stranger.get("/callbacks/0123/new_order", params={"order_id": "480000101"})
    assert answer.status_code == 404
    assert await owed(engine) == []


async def test_a_flood_of_unknown_orders_is_bounded(
    stranger: httpx.AsyncClient,
    engine: AsyncEngine,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hints, "MOST_UNSEEN", 5)
    for number in range(1, 20):
        await stranger.get(f"{address}/new_order", params={"order_id": str(number)})
    assert await owed(engine) == [1, 2, 3, 4, 5]
