"""What happens in the demo after the ERP's morning: others act at eMAG, and the ERP decides."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from flows.cli.demo_ending import UNSEEN
from integrations.ledger.clock import MARGIN
from integrations.sandbox.market import Market

MUG = "1001"
LINES = {"products": [{"product_id": MUG, "quantity": 2}]}


@dataclass(frozen=True)
class Happened:
    """One thing that somebody did, and how the ERP's row about it is found."""

    what: str
    query: str
    number: int


_RETURN = "SELECT status, refund_amount FROM app.return_requests WHERE emag_return_id = %s"
_ORDER = (
    "SELECT status, reason_description FROM app.cancellation_requests WHERE emag_order_id = %s"
    " ORDER BY id DESC LIMIT 1"
)
_INVOICE = "SELECT status, paid_amount FROM app.invoices WHERE emag_order_id = %s"

_WAITING = """
    SELECT emag_return_id FROM app.return_requests
     WHERE status = 'rejected' AND emag_return_id IS NOT NULL AND emag_status = 'approved' LIMIT 1
"""
_UNPAID = """
    SELECT i.emag_order_id FROM app.invoices i
      JOIN app.emag_invoice_integrations b ON b.invoice_id = i.id AND b.sync_state = 'synced'
     WHERE i.status IN ('issued', 'sent') AND i.invoice_type = 'sales_invoice' LIMIT 1
"""

_SINCE_LAST_WRITE = """
    SELECT clock_timestamp() - max(closed_at) FROM app.emag_api_calls WHERE writes
"""


def others_act(market: Market, database_url: str) -> Sequence[Happened]:
    """Customers, couriers, eMAG and the seller's people in eMAG's panel do something each."""
    with psycopg.connect(database_url) as connection:
        goods = connection.execute(_WAITING).fetchone()
        unpaid = connection.execute(_UNPAID).fetchone()
    opened = market.customer_opens_return(_finalized(market))["emag_id"]
    refunded = market.customer_opens_return(_finalized(market), request_status=6)["emag_id"]
    market.emag_refunds_return(refunded)
    cancelled, wished = _in_progress(market), _in_progress(market)
    market.panel_cancels(cancelled)
    market.customer_asks_to_cancel(wished)
    happened = [
        Happened("a customer opens a return", _RETURN, opened),
        Happened("eMAG pays a customer back", _RETURN, refunded),
        Happened("somebody cancels an order in eMAG's panel", _ORDER, cancelled),
        Happened("a customer asks to cancel", _ORDER, wished),
    ]
    if goods is not None:
        market.courier_delivers_return(int(goods[0]))
        happened.append(Happened("goods arrive that the ERP refuses", _RETURN, int(goods[0])))
    if unpaid is not None:
        market.cod_is_cashed(int(unpaid[0]))
        happened.append(Happened("a courier hands over the cash", _INVOICE, int(unpaid[0])))
    return happened


def erp_decides(database_url: str, happened: Sequence[Happened]) -> None:
    """The ERP accepts the return that came in."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE app.return_requests SET status = 'approved' WHERE emag_return_id = %s",
            [str(happened[0].number)],
        )


async def until_believed(database_url: str) -> None:
    """Wait until a read shows what our last requests made of it, and not perhaps what was before.

    A read that begins sooner is not believed: its orders are brought into the ERP by a later run.
    """
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        [age] = await (await connection.execute(_SINCE_LAST_WRITE)).fetchone() or (None,)
    if age is not None:
        await asyncio.sleep(max(0.0, (2 * MARGIN - age).total_seconds()))


def seen_by_the_erp(
    database_url: str, happened: Sequence[Happened]
) -> Sequence[tuple[str, str, str]]:
    """What the ERP's own tables say of each thing that happened."""
    with psycopg.connect(database_url) as connection:
        rows = [connection.execute(each.query, [str(each.number)]).fetchone() for each in happened]
    return [
        (each.what, row[0] if row else UNSEEN, str(row[1] or "") if row else "")
        for each, row in zip(happened, rows, strict=True)
    ]


def _finalized(market: Market) -> int:
    order = market.add_order(
        {"status": 4, "finalization_date": datetime.now(UTC) - timedelta(days=4), **LINES}
    )
    return int(order["id"])


def _in_progress(market: Market) -> int:
    return int(market.add_order({"status": 2, **LINES})["id"])
