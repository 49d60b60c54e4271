"""eMAG's listings as a census takes them: orders and returns, and what is special about each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from integrations.emag.matrices import OrderStatus, ReturnStatus
from integrations.emag.routes import ORDER_COUNT, ORDER_READ, RMA_COUNT, RMA_READ, Route
from integrations.emag.wire import Raw
from integrations.ledger import mirror_orders, mirror_returns
from integrations.ledger.clock import Clock
from integrations.ledger.differences import About
from integrations.ledger.engine import Engine
from integrations.sync.census_documents import no_documents, vanished_documents
from integrations.sync.census_money import (
    Held,
    beyond_orders,
    beyond_returns,
    held_of_orders,
    held_of_returns,
    refunded_otherwise,
    told,
)
from integrations.sync.channel import Channel
from integrations.sync.page import Page
from integrations.sync.receipt import Receipt
from integrations.sync.receive_orders import take_orders
from integrations.sync.take_returns import take_returns
from integrations.sync.wishes import order_status, return_status

Owe = Callable[[Engine, str, Collection[int]], Awaitable[int]]
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
        tells_apart: whether those are only rows that differ.
        held: what the ERP's rows hold of their money, in words.
        beyond: money that the ERP holds and eMAG does not show, in words.
        vanished: documents of ours that eMAG does not show any more, in words.
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
    tells_apart: bool
    held: Callable[[Channel, Collection[int]], Awaitable[Held]]
    beyond: Callable[[Channel, Mapping[int, Raw]], Awaitable[Mapping[int, str]]]
    vanished: Callable[[Channel, Mapping[int, Raw]], Awaitable[Mapping[int, str]]]


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
    unlike_erp=told,
    tells_apart=False,
    held=held_of_orders,
    beyond=beyond_orders,
    vanished=vanished_documents,
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
    unlike_erp=refunded_otherwise,
    tells_apart=True,
    held=held_of_returns,
    beyond=beyond_returns,
    vanished=no_documents,
)
LISTINGS: Mapping[About, Listing] = {each.about: each for each in (ORDERS, RETURNS)}
