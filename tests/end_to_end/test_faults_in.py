"""Faults that last as long as a run, at every listing of the way in: what it says, what it misses.

Whatever it was, the next run brings in everything, once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from integrations.emag.accounts import Account
from integrations.emag.client import open_client
from integrations.erp.rows import Kind
from integrations.sandbox.fault_kinds import KINDS
from integrations.sandbox.market import Market
from tests.end_to_end.conftest import CONNECTING, Shop
from tests.end_to_end.pace import open_unpaced_shop, wipe

pytestmark = pytest.mark.unpaced

ORDER = 480_000_101
ISSUED = "emag_issued_invoices"
CANCELLATION, RMA, INVOICE = Kind.CANCELLATION, Kind.RMA, Kind.INVOICE

# An answer that never comes is not waited for as long as one that may.
HASTY_DEADLINE = 0.4


@dataclass(frozen=True)
class Listing:
    """A route that a kind's way in reads."""

    route: str
    kind: Kind


LISTINGS = {
    "returns": Listing("rma/read", RMA),
    "orders": Listing("order/read", CANCELLATION),
    "issued": Listing("customer-invoice/read", INVOICE),
    "own": Listing("invoice/read", INVOICE),
}

# What a run says: `down`, that eMAG can't be asked (exit code 3); `ended`, that it stopped (3), and
# nothing counts as down; `named`, what could not be read (1), and it went on.
TABLE = """
fault                   returns  orders   issued   own
reset                   down     down     down     down
timeout                 down     down     down     down
http_503_html           down     down     down     down
garbage_body            ended    named    ended    ended
locked                  ended    named    ended    ended
throttle_retry_after    ended    ended    ended    ended
forbidden               down     down     down     down
"""


def expected(listing: str) -> dict[str, str]:
    """The column of the table."""
    head, *lines = (line.split() for line in TABLE.strip().splitlines())
    return {line[0]: line[head.index(listing)] for line in lines}


@pytest.fixture
async def shop(database_url: str, market: Market, account: Account) -> AsyncIterator[Shop]:
    """A shop in which nothing waits, and which soon loses patience."""
    async with (
        open_unpaced_shop(database_url, market, account) as shop,
        open_client(account, deadline=HASTY_DEADLINE, connecting=CONNECTING) as hasty,
    ):
        shop.channel = replace(shop.channel, client=hasty)
        yield shop


@pytest.mark.parametrize("listing", LISTINGS)
async def test_each_fault_is_told_and_misses_nothing(shop: Shop, listing: str) -> None:
    wanted = expected(listing)
    assert {fault: await outcome(shop, LISTINGS[listing], fault) for fault in wanted} == wanted


async def outcome(shop: Shop, listing: Listing, fault: str) -> str:
    """What the run with the fault said, as a word of the table, and what the next ones missed."""
    await wipe(shop)
    await happens(shop, listing.kind)
    shop.market.faults.add(listing.route, KINDS[fault][0], fault, times=None, seconds=0.01)
    report = await shop.receive(listing.kind)
    assert any(request.fault == fault for request in shop.market.journal.requests)
    down = await shop.sql("SELECT FROM app.emag_rate_limits WHERE down_since IS NOT NULL")
    said = {0: "fine", 1: "named", 3: "down" if down else "ended"}[report.exit_code]
    shop.market.faults.clear()
    for _ in range(2):  # the second brings nothing more
        await shop.later()
        assert (await shop.receive(listing.kind)).exit_code == 0
    [found] = await shop.sql(f"SELECT count(*) AS n FROM app.{BROUGHT[listing.kind]}")
    return said if found["n"] == 1 else f"{said}, then {found['n']}"


async def happens(shop: Shop, kind: Kind) -> None:
    """One piece of news for the kind."""
    shop.market.add_order({"id": ORDER, "status": 2 if kind is CANCELLATION else 4})
    match kind:
        case Kind.RMA:
            shop.market.add_return({"order_id": ORDER, "request_status": 2})
        case Kind.CANCELLATION:
            await shop.receive(kind)
            shop.market.panel_cancels(ORDER)
        case Kind.INVOICE:
            shop.market.add_issued_invoice({"category": "normal", "order_id": ORDER})


BROUGHT = {RMA: "return_requests", CANCELLATION: "cancellation_requests", INVOICE: ISSUED}
