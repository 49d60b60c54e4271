"""What the way in would bring into the ERP, found out by reading alone.

The receiving functions themselves do it, on an engine that commits nothing: the mirror, cursors and
books stay as they are. Rows that would be new are not even tried, since that would use up numbers
of the ERP's sequences.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from integrations.emag.accounts import order_types
from integrations.emag.order_facts import OrderFacts
from integrations.emag.return_facts import emag_id_of
from integrations.emag.wire import WireError
from integrations.erp.differences import Change, differences
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.erp.tables import ERP_TABLES
from integrations.erp.write import UnfitError, with_required
from integrations.ledger.arrivals import Arrival, Arrived, Brought, bring_in
from integrations.ledger.clock import MARGIN, Clock, read_clock
from integrations.ledger.database import autocommit, database_time
from integrations.ledger.engine import Engine
from integrations.ledger.instants import Instant
from integrations.ledger.issued import Source, mirrored_since
from integrations.ledger.mirror_orders import Seen
from integrations.ledger.uncommitted import uncommitted
from integrations.ledger.unread import invoiced, open_before, unknown_invoices
from integrations.sync.abreast import abreast
from integrations.sync.bring_orders import Became, bring_orders
from integrations.sync.channel import Channel
from integrations.sync.mirror import issued_pages, readable
from integrations.sync.page import Page
from integrations.sync.receipt import Parked, Receipt
from integrations.sync.receive_orders import (
    INVOICED,
    MOST_SINGLY,
    Due,
    by_number,
    by_owner,
    facts_of,
    mirror_orders,
    read_again,
    receive_orders,
)
from integrations.sync.receive_returns import ReturnsScan, read_owed, receive_returns

# Who the customer is, and what is said in free text, is nobody's business before it is needed.
SHOWN: Final = (
    "return_number",
    "cancellation_number",
    "status",
    "emag_status",
    "emag_return_id",
    "emag_order_id",
    "reason",
    "refund_amount",
    "refund_status",
    "refund_processed",
    "currency",
    "paid_amount",
    "paid_at",
)

GOES_ON: Final = "the order's state at eMAG is noted in our books: see the inbox afterwards"


@dataclass(frozen=True)
class News:
    """A piece of eMAG's news and what would become of it.

    Attributes:
        emag_id: eMAG's number of the return, None for an order's news.
        row_id: the ERP's row; None: there is none yet.
        changes: what the row would get, without what tells of a customer.
        reason: why the ERP could not take it, or what else would happen.
    """

    kind: Kind
    order_id: int | None
    emag_id: str | None
    row_id: int | None
    brought: Brought
    changes: tuple[Change, ...] = ()
    reason: str | None = None


@dataclass
class Foreseen:
    """What would be brought in; `receipt` tells how much of eMAG's listings was looked at."""

    receipt: Receipt = field(default_factory=Receipt)
    news: list[News] = field(default_factory=list)


async def foresee_returns(channel: Channel, scan: ReturnsScan | None = None) -> Foreseen:
    """What would happen to the ERP's returns; `scan` is what has been read of the open ones.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: eMAG could not be asked.
    """
    scan = scan or ReturnsScan()
    found = Foreseen()
    async with _rehearsal(channel, found.news) as dry:
        clock = await read_clock(dry.engine)
        found.receipt = await receive_returns(dry, scan)
        if scan.complete:
            await _look_at_closed(dry, scan, clock, found.receipt)
    return _told_once(found)


async def foresee_orders(channel: Channel) -> Foreseen:
    """What would happen to the ERP's cancellations and invoices.

    Raises:
        OutageError, BudgetBusyError: eMAG could not be asked.
    """
    found = Foreseen()
    async with _rehearsal(channel, found.news) as dry:
        clock = await read_clock(dry.engine)
        take = partial(_take_orders, found.news)
        found.receipt = await receive_orders(dry, take)
        await _look_at_invoiced(dry, found, clock)
    return _told_once(found)


async def foresee_documents(channel: Channel) -> dict[Source, int]:
    """How many invoices that eMAG issued are not known yet, by its listing.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: eMAG could not be asked.
    """
    account = channel.account
    today = (await database_time(channel.engine)).astimezone(account.zone).date()
    unknown = {}
    for source in Source:
        since = await mirrored_since(channel.engine, account.platform, account.name, source, today)
        numbers = {
            invoice.number
            async for page in issued_pages(channel, source, since, today)
            for invoice, _ in readable(source, page.rows).invoices
        }
        found = await unknown_invoices(channel.engine, account.platform, account.name, numbers)
        unknown[source] = len(found)
    return unknown


@asynccontextmanager
async def _rehearsal(channel: Channel, news: list[News]) -> AsyncIterator[Channel]:
    """The channel with which nothing is written and everything that would be is noted."""

    async def bring(engine: Engine, schema: ErpSchema, arrival: Arrival) -> Arrived:
        arrived, changes = await _rehearse(engine, schema, arrival)
        news.append(
            News(
                kind=arrival.kind,
                order_id=arrival.order_id,
                emag_id=arrival.emag_id if arrival.kind is Kind.RMA else None,
                row_id=arrival.row_id,
                brought=arrived.brought,
                changes=tuple(_shown(changes)),
                reason=arrived.problem,
            )
        )
        return arrived

    with uncommitted(channel.engine) as engine:
        yield replace(channel, engine=engine, bring=bring)


async def _rehearse(
    engine: Engine, schema: ErpSchema, arrival: Arrival
) -> tuple[Arrived, Sequence[Change]]:
    table, row_id, values = ERP_TABLES[arrival.kind].name, arrival.row_id, arrival.values
    try:
        async with autocommit(engine) as connection:
            changes = await differences(connection, schema, table, row_id, values)
        if row_id is not None:
            return await bring_in(engine, schema, arrival), changes
        with_required(schema, table, values)
    except UnfitError as unfit:
        return Arrived(Brought.PARKED, row_id, str(unfit)), ()
    items = [Change("items", None, str(len(arrival.items)))] if arrival.items else []
    return Arrived(Brought.CREATED), [*changes, *items]


def _shown(changes: Iterable[Change]) -> list[Change]:
    """The changes that tell something, in the order in which one asks for them."""
    by_name = {change.column: change for change in changes}
    return [by_name[name] for name in (*SHOWN, "items") if name in by_name]


def _told_once(found: Foreseen) -> Foreseen:
    """Each piece of news once, without those that change nothing: a row may be met repeatedly."""
    told = (each for each in found.news if each.brought is not Brought.SAME)
    return Foreseen(found.receipt, list(dict.fromkeys(told)))


async def _look_at_closed(dry: Channel, scan: ReturnsScan, clock: Clock, receipt: Receipt) -> None:
    """Read by their numbers the returns that were open and are not any more."""
    account = dry.account
    types = order_types(account, dry.accounts)
    met = {emag_id_of(raw) async for page in scan.pages(dry) for raw in page.rows} - {None}
    closed = await open_before(
        dry.engine,
        account.platform,
        account.name,
        types,
        {number for number in met if number is not None},
        MOST_SINGLY,
    )

    # What would be noted of those that can't be had is rolled back, too.
    await abreast(dry, closed, partial(read_owed, clock, receipt))


async def _look_at_invoiced(dry: Channel, found: Foreseen, clock: Clock) -> None:
    """Read by their numbers the orders for which the ERP has made an invoice lately."""
    account = dry.account
    since = clock.now() - INVOICED
    orders = await invoiced(dry.engine, account.platform, account.name, since, MOST_SINGLY)
    page = Page(Instant.now(), [])

    async def read(channel: Channel, order: tuple[int, Seen]) -> None:
        kind, known = order
        await read_again(channel, known.order_id, kind, page, found.receipt)

    await abreast(dry, orders, read)
    found.receipt.read += len(page.rows)
    for owner, rows in by_owner(dry, page.rows):
        raws = by_number(rows)
        seen = {known.order_id: known for _, known in orders if known.order_id in raws}
        due = Due(clock.at(page.began) - MARGIN, raws, seen)
        await _bring(found.news, owner, due, found.receipt)


async def _take_orders(
    news: list[News], dry: Channel, page: Page, clock: Clock, receipt: Receipt
) -> None:
    """What `take_orders` would do with a page, were the mirror to keep what it is told."""
    await _bring(news, dry, await mirror_orders(dry, page, clock, receipt), receipt)


async def _bring(news: list[News], dry: Channel, due: Due, receipt: Receipt) -> None:
    """Rehearse what these orders bring, and note it."""
    orders: list[tuple[OrderFacts, Seen]] = []
    for order_id, seen in sorted(due.seen.items()):
        try:
            orders.append((facts_of(dry, due, seen), seen))
        except WireError as error:
            receipt.parked.append(Parked(Kind.CANCELLATION, order_id, str(error)))
    for order_id, became in (await bring_orders(dry, due.read_at, orders)).items():
        news.extend(_in_our_books(order_id, became, news))
        receipt.parked.extend(Parked(kind, order_id, note) for kind, note in became.notes)


def _in_our_books(order_id: int, became: Became, news: Sequence[News]) -> list[News]:
    """What concerns rows that stay as they are: it changes our books, or can't be written."""
    told = {(each.kind, each.row_id) for each in news if each.order_id == order_id}
    return [
        News(kind, order_id, None, each.row_id, each.brought, reason=each.problem or GOES_ON)
        for kind, each in became.arrived
        if each.row_id is not None and (kind, each.row_id) not in told
    ]
