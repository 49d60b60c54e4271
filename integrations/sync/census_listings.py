"""eMAG's listings as a census takes them: orders and returns, and what is special about each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.emag.matrices import OrderStatus, ReturnStatus
from integrations.emag.return_facts import return_facts
from integrations.emag.routes import ORDER_COUNT, ORDER_READ, RMA_COUNT, RMA_READ, Route
from integrations.emag.wire import Raw, WireError
from integrations.ledger import mirror_orders, mirror_returns
from integrations.ledger.clock import Clock
from integrations.ledger.differences import About
from integrations.ledger.mirrored import told_orders, unrefunded
from integrations.sync.channel import Channel
from integrations.sync.listing import Page
from integrations.sync.receipt import Receipt
from integrations.sync.receive_orders import take_orders
from integrations.sync.take_returns import take_returns
from integrations.sync.wishes import order_status, return_status

Owe = Callable[[AsyncEngine, str, Collection[int]], Awaitable[int]]
Take = Callable[[Channel, Page, Clock, Receipt], Awaitable[None]]


@dataclass(frozen=True)
class Listing:
    """Orders or returns as eMAG lists them.

    Attributes:
        what: in words.
        names: the filters for the beginning and the end of the placement.
        number, status: the fields for eMAG's number and for the status, and the filters.
        status_lists: whether the status filter takes several.
        dates: the fields that may say when a row was placed.
        take: mirrors a page and brings it into the ERP.
        owe: has mirrored rows brought in anew when they are taken.
        unlike_erp: which rows are to be compared with the ERP by being brought in anew.
    """

    about: About
    what: str
    read: Route
    count: Route
    names: tuple[str, str]
    number: str
    status: str
    statuses: Sequence[int]
    status_lists: bool
    dates: Sequence[str]
    shown: Callable[[int], str]
    take: Take
    owe: Owe
    unlike_erp: Callable[[Channel, Mapping[int, Raw]], Awaitable[list[int]]]


async def _told(channel: Channel, raws: Mapping[int, Raw]) -> list[int]:
    return await told_orders(channel.engine, channel.account.platform, raws)


async def _unrefunded(channel: Channel, raws: Mapping[int, Raw]) -> list[int]:
    refunds = {}
    for number, raw in raws.items():
        with suppress(WireError):
            refund = return_facts(raw, channel.account.zone).refund
            if refund.amount is not None:
                refunds[number] = (refund.amount, refund.processed)
    return await unrefunded(channel.engine, channel.account.platform, refunds)


ORDERS = Listing(
    about=About.ORDER,
    what="orders",
    read=ORDER_READ,
    count=ORDER_COUNT,
    names=("createdAfter", "createdBefore"),
    number="id",
    status="status",
    statuses=[int(each) for each in OrderStatus],
    status_lists=True,
    dates=("date", "created"),
    shown=order_status,
    take=take_orders,
    owe=mirror_orders.owe,
    unlike_erp=_told,
)
RETURNS = Listing(
    about=About.RETURN,
    what="returns",
    read=RMA_READ,
    count=RMA_COUNT,
    names=("date_start", "date_end"),
    number="emag_id",
    status="request_status",
    statuses=[int(each) for each in ReturnStatus],
    status_lists=False,
    dates=("date",),
    shown=return_status,
    take=take_returns,
    owe=mirror_returns.owe,
    unlike_erp=_unrefunded,
)
LISTINGS: Mapping[About, Listing] = {each.about: each for each in (ORDERS, RETURNS)}
