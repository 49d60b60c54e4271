"""What tests of returns on their way in share: returns at eMAG, runs, and what each side holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from integrations.emag.routes import RMA_READ
from integrations.emag.wire import Raw
from integrations.erp.rows import Kind
from integrations.ledger.calls import Subject
from integrations.ledger.clock import read_clock
from integrations.ledger.instants import Instant
from integrations.sync.ask import ask
from integrations.sync.channel import Tally
from integrations.sync.page import Page
from integrations.sync.receipt import Receipt
from integrations.sync.receive_returns import ReturnsScan, receive_returns
from integrations.sync.take_returns import take_returns
from tests.end_to_end.conftest import Shop

RETURN, ORDER = 52_000_077, 480_000_101
PAST = timedelta(days=40)


async def receive(shop: Shop, scan: ReturnsScan | None = None, **changes: Any) -> Receipt:
    """One run of the way in."""
    return await receive_returns(replace(shop.channel, tally=Tally(), **changes), scan)


async def listed(shop: Shop) -> list[Raw]:
    """All returns that eMAG shows, in one request."""
    body = {"itemsPerPage": 100}
    return await ask(shop.channel, RMA_READ, body, Subject())


async def take(shop: Shop, rows: Iterable[Raw] | None = None) -> Receipt:
    """Take all returns, or these, as one page."""
    began = Instant.now()
    page = Page(began, list(await listed(shop) if rows is None else rows))
    receipt = Receipt()
    await take_returns(shop.channel, page, await read_clock(shop.channel.engine), receipt)
    return receipt


async def carry_out(shop: Shop) -> None:
    """A run of the way out that ended some time ago."""
    await shop.run(Kind.RMA)
    await shop.sql(
        "UPDATE app.emag_api_calls SET sent_at = sent_at - interval '9 s',"
        " closed_at = closed_at - interval '9 s'"
    )


def open_return(shop: Shop, emag_id: int = RETURN, **fields: Any) -> dict[str, Any]:
    """A return of a finalized order at eMAG."""
    order_id = fields.pop("order_id", ORDER + emag_id - RETURN)
    if order_id not in shop.market.orders:
        kind = fields.get("type", 3)
        shop.market.add_order({"id": order_id, "status": 4, "type": kind})
    given = {"emag_id": emag_id, "order_id": order_id, "date": shop.market.now(), **fields}
    return shop.market.add_return(given)


def status_at_emag(shop: Shop, emag_id: int = RETURN) -> int:
    rma = shop.market.returns.get(emag_id)
    assert rma is not None
    return int(rma["request_status"])


def long_ago(shop: Shop) -> datetime:
    return shop.market.now() - PAST


def asked(shop: Shop) -> int:
    """How many requests eMAG has seen."""
    return len(shop.market.journal.requests)


def writes(shop: Shop) -> int:
    """How many writes of ours eMAG has seen."""
    return sum(each.path.endswith("/save") for each in shop.market.journal.requests)


async def rows(shop: Shop) -> list[dict[str, Any]]:
    return await shop.sql("SELECT * FROM app.return_requests ORDER BY id")


async def items(shop: Shop) -> list[dict[str, Any]]:
    return await shop.sql("SELECT * FROM app.return_items ORDER BY id")


async def row_of(shop: Shop, emag_id: int = RETURN) -> dict[str, Any]:
    """The one row of the ERP's about a return."""
    [row] = [row for row in await rows(shop) if row["emag_return_id"] == str(emag_id)]
    return row


async def mirrored(shop: Shop, emag_id: int = RETURN) -> dict[str, Any]:
    """What the mirror holds of a return."""
    [row] = await shop.sql("SELECT * FROM app.emag_returns WHERE emag_id = :id", id=emag_id)
    return row


async def changes(shop: Shop) -> list[dict[str, Any]]:
    return await shop.sql("SELECT kind, row_id FROM app.emag_changes")
