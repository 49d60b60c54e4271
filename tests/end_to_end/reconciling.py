"""What tests of reconciling share: a shop's day, certificates, and planted differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.parameters import ReconcileParameters
from flows.reconciliation import reconcile_channel
from integrations.ledger.certificates import Certificate
from integrations.ledger.database import transaction
from integrations.ledger.differences import Why
from integrations.sync.channel import Tally
from integrations.sync.receive_orders import receive_orders
from integrations.sync.receive_returns import receive_returns
from tests.end_to_end.conftest import Shop

ORDER = 480000101

# So many orders in a week that counting them takes fewer requests than reading them.
MANY = 701


def ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


async def reconcile(shop: Shop, **parameters: Any) -> Certificate:
    """A certificate of the usual days; a second look counts at once."""
    channel = replace(shop.channel, tally=Tally(), background=True)
    chosen = ReconcileParameters(**{"recount_minutes": 0, **parameters})
    return await reconcile_channel(channel, chosen, lambda _: None)


async def receive(shop: Shop) -> None:
    """What the syncs bring in by themselves."""
    channel = replace(shop.channel, tally=Tally())
    await receive_orders(channel)
    await receive_returns(channel)


async def cancellations(shop: Shop, order_id: int) -> list[dict[str, Any]]:
    return await shop.sql(
        "SELECT * FROM app.cancellation_requests WHERE emag_order_id = :id ORDER BY id",
        id=str(order_id),
    )


async def mirrored(shop: Shop, order_id: int) -> list[int]:
    rows = await shop.sql("SELECT status FROM app.emag_orders WHERE order_id = :id", id=order_id)
    return [row["status"] for row in rows]


async def return_row(shop: Shop, emag_id: int) -> dict[str, Any]:
    [row] = await shop.sql(
        "SELECT * FROM app.return_requests WHERE emag_return_id = :id", id=str(emag_id)
    )
    return row


async def uncaptured(shop: Shop, statement: str, **values: object) -> None:
    """Change the database as something does whose changes no trigger sees."""
    async with transaction(shop.channel.engine) as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(statement, values)


def asked(certificate: Certificate) -> int:
    return sum(certificate.requests.values())


def explanations(certificate: Certificate) -> Mapping[Why, int]:
    return {why: listed.rows for why, listed in certificate.explained.items()}


def a_day(shop: Shop) -> None:
    """A shop's day: an order in each status, and a return in most."""
    for place, status in enumerate((0, 1, 2, 3, 4, 5)):
        shop.market.add_order({"id": ORDER + place, "status": status, "date": ago(hours=9)})
    for place, status in enumerate((2, 3, 4, 5, 6, 7)):
        order = {"id": ORDER + 100 + place, "status": 4, "date": ago(hours=20)}
        shop.market.add_order(order)
        rma = {"order_id": order["id"], "request_status": status, "date": ago(hours=8)}
        shop.market.add_return(rma)


def many_orders(shop: Shop) -> list[int]:
    """A week of many orders in progress."""
    numbers = list(range(ORDER, ORDER + MANY))
    shop.market.add_orders(
        {"id": each, "status": 2, "date": ago(minutes=10 * (each - ORDER))} for each in numbers
    )
    return numbers


async def lose_at_emag(shop: Shop, number: int = ORDER) -> None:
    """The mirror knows an order that eMAG doesn't."""
    await shop.sql(
        "INSERT INTO app.emag_orders (platform, order_id, account, type, status, placed_at,"
        " digest, read_at, changed_at, owed) VALUES (:platform, :id, 'main', 3, 2, :placed, '',"
        " now() - interval '1 hour', now() - interval '1 hour', false)",
        platform=shop.channel.account.platform,
        id=number,
        placed=ago(days=3),
    )
