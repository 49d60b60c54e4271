"""Orders at an eMAG without request limits, and the cancellations that the ERP holds of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.emag.accounts import Account
from integrations.emag.routes import LIMITS, Bucket
from integrations.erp.rows import Kind
from integrations.sandbox.market import Market
from integrations.sync.channel import Tally
from integrations.sync.receipt import Receipt
from integrations.sync.receive_orders import receive_orders
from tests.end_to_end.conftest import Shop

CANCELLATION = Kind.CANCELLATION
ORDER = 480_000_101

MUG, JUICE = 11, 12
LINES = [
    {"id": MUG, "product_id": "1001", "quantity": 3},
    {"id": JUICE, "product_id": "1002", "quantity": 1},
]
ALL = {MUG: 3, JUICE: 1}


@pytest.fixture
def account(account: Account, market: Market, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The seller's account at an eMAG that has no request limits."""
    monkeypatch.setitem(LIMITS, Bucket.ORDERS, 500.0)
    monkeypatch.setitem(LIMITS, Bucket.OTHER, 500.0)
    market.switches = replace(market.switches, limits=False)
    return replace(account, rates={})


async def receive(shop: Shop, **changes: Any) -> Receipt:
    """One run of the way in."""
    return await receive_orders(replace(shop.channel, tally=Tally(), **changes))


async def carry_out(shop: Shop, **changes: Any) -> None:
    """A run of the way out that ended some time ago."""
    await shop.run(CANCELLATION, **changes)
    await long_ago(shop)


async def long_ago(shop: Shop) -> None:
    """Whatever was sent, was sent some time ago."""
    await shop.sql(
        "UPDATE app.emag_api_calls SET sent_at = sent_at - interval '9 s',"
        " closed_at = closed_at - interval '9 s'"
    )
    await shop.sql(
        "UPDATE app.emag_cancellation_integrations SET last_synced_at ="
        " last_synced_at - interval '9 s'"
    )


def cancel_lately(shop: Shop, first: int, count: int) -> None:
    """So many orders are cancelled at eMAG just now."""
    now = datetime.now(UTC)
    shop.market.add_orders(
        {"id": first + each, "status": 0, "modified": now} for each in range(count)
    )


async def an_hour_passes(shop: Shop) -> None:
    """That the end of the listing was proved is an hour ago; nothing was modified meanwhile."""
    await shop.sql(
        "UPDATE app.emag_platform_cursors SET detail = detail"
        " || jsonb_build_object('proved', clock_timestamp() - interval '61 min')"
        " WHERE resource LIKE 'orders:%'"
    )


def an_order(shop: Shop, **fields: Any) -> dict[str, Any]:
    """An order of four pieces on two lines, in progress."""
    return shop.market.add_order({"id": ORDER, "status": 2, "products": LINES, **fields})


def at_emag(shop: Shop) -> dict[str, Any]:
    found = shop.market.orders.get(ORDER)
    assert found is not None
    return found


def number(shop: Shop, suffix: str = "") -> str:
    return f"{shop.channel.account.platform}-{ORDER}{suffix}"


async def rows(shop: Shop) -> list[dict[str, Any]]:
    """The ERP's cancellations, oldest first."""
    return await shop.sql("SELECT * FROM app.cancellation_requests ORDER BY id")


async def told(shop: Shop) -> list[tuple[str, dict[int, int]]]:
    """Status and pieces by order line of each cancellation of the ERP's, oldest first."""
    return [(row["status"], await pieces(shop, row["id"])) for row in await rows(shop)]


async def pieces(shop: Shop, row_id: int) -> dict[int, int]:
    found = await shop.sql(
        "SELECT emag_item_id::int AS line, quantity::int AS pieces FROM app.cancellation_items"
        " WHERE cancellation_request_id = :id ORDER BY id",
        id=row_id,
    )
    return {row["line"]: row["pieces"] for row in found}


async def mirrored(shop: Shop, order_id: int = ORDER) -> dict[str, Any]:
    [row] = await shop.sql("SELECT * FROM app.emag_orders WHERE order_id = :id", id=order_id)
    return row


async def changes(shop: Shop) -> int:
    """How many changes of the ERP's wait to be looked at."""
    return len(await shop.sql("SELECT 1 FROM app.emag_changes"))


def writes(shop: Shop) -> list[str]:
    """Our own requests that changed something at eMAG."""
    return [
        request.route
        for request in shop.market.journal.requests
        if request.route in ("order/save", "order/acknowledge")
    ]
