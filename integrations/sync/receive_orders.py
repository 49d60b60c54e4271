"""The way in of orders: what was modified lately, and what the ERP is still owed.

A cursor per type tells from when on to ask. Whether an order has changed is seen by what it holds:
eMAG's `modified` can stand still or go back (API facts: Quirks).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from integrations.emag.accounts import TYPES, order_types
from integrations.emag.order_facts import OrderFacts, read_facts, sight_of
from integrations.emag.routes import ORDER_COUNT, ORDER_READ
from integrations.emag.unnumbered import number_of, row_key
from integrations.emag.wire import Raw, WireError, to_local, whole_number
from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Arrived, Brought
from integrations.ledger.awaited_refunds import look_now
from integrations.ledger.calls import Subject
from integrations.ledger.clock import MARGIN, Clock, read_clock
from integrations.ledger.hints import forget_order
from integrations.ledger.mirror_orders import (
    Seen,
    Settled,
    owe_asked_for,
    owe_invoiced,
    owed_due,
    rest_order,
    see_orders,
    settle_orders,
    still_owed,
    turn,
)
from integrations.ledger.persist import pause_after
from integrations.ledger.points import Point, reached
from integrations.sync.abreast import abreast
from integrations.sync.ask import ReadFailedError, ReadRefusedError, ask
from integrations.sync.bring_orders import Became, bring_orders
from integrations.sync.channel import Channel
from integrations.sync.drift import note_changed_type
from integrations.sync.listing import FilterIgnoredError, IncompleteListingError
from integrations.sync.page import Page
from integrations.sync.receipt import Parked, Receipt
from integrations.sync.since import begin_look, end_look
from integrations.sync.unnumbered import ORDERS, look_for_unnumbered, note_unnumbered
from integrations.sync.windows import read_window

# By how much an order may lie before the window: its time carries no zone.
TOLERANCE: Final = timedelta(hours=2)

# How long ago an invoice may have been queued, or a refund asked for, for its order to be looked at
# again.
INVOICED: Final = timedelta(days=1)

MOST_SINGLY = 200
TOGETHER = 20

Take = Callable[[Channel, Page, Clock, Receipt], Awaitable[None]]


async def receive_orders(channel: Channel, take: Take | None = None) -> Receipt:
    """Bring into the ERP what happened to orders at eMAG since the last run.

    Args:
        take: what becomes of a page; without it, it is mirrored and brought in.

    Raises:
        OutageError, BudgetBusyError: eMAG could not be asked.
    """
    receipt, take = Receipt(), take or take_orders
    clock = await read_clock(channel.engine)
    began, account = clock.now(), channel.account
    # Before the pages: one that shows such an order again would pass over it.
    for owe in (owe_invoiced, owe_asked_for):
        await owe(channel.engine, account.platform, account.name, began - INVOICED)
    for kind in order_types(channel.account, channel.accounts):
        await _receive_modified(channel, kind, clock, receipt, take)
    await _receive_owed(channel, clock, began - MARGIN, receipt, take)
    await look_for_unnumbered(channel, ORDERS, take, clock, receipt)
    return receipt


@dataclass(frozen=True, slots=True)
class Due:
    """Orders of a page that the ERP is owed: as they came, and as the mirror knows them.

    Attributes:
        read_at: when the read began that showed them, by the database's clock.
        raws: all orders of the page by number, `seen`: those that are due.
    """

    read_at: datetime
    raws: Mapping[int, Raw]
    seen: Mapping[int, Seen]


async def take_orders(channel: Channel, page: Page, clock: Clock, receipt: Receipt) -> None:
    """Mirror the orders of a page and bring those into the ERP that it is owed."""
    due = await mirror_orders(channel, page, clock, receipt)
    if due.seen:
        await reached(Point.MIRRORED)
        await _take_due(channel, due, receipt)


async def mirror_orders(channel: Channel, page: Page, clock: Clock, receipt: Receipt) -> Due:
    """Mirror the orders of a page; which of them are due."""
    account = channel.account
    read_at = clock.at(page.began) - MARGIN
    receipt.read += len(page.rows)
    raws = by_number(page.rows)
    await note_unnumbered(channel, ORDERS, page.rows, read_at, receipt)
    sights = [
        sight_of(order_id, raw, account.zone, read_at, account.order_type)
        for order_id, raw in raws.items()
    ]
    seen = await see_orders(channel.engine, account.platform, account.name, read_at, sights)
    receipt.changed += sum(each.changed for each in seen.values())
    return Due(read_at, raws, {order_id: each for order_id, each in seen.items() if each.due})


async def _take_due(channel: Channel, due: Due, receipt: Receipt) -> None:
    """Bring orders in while nobody else does, as far as nobody has read them later."""
    engine, platform = channel.engine, channel.account.platform
    async with turn(engine, platform) as is_ours:
        if not is_ours:
            return
        owed = await still_owed(engine, platform, due.read_at, due.seen.keys())
        news, settled = [], []
        for order_id in sorted(owed):
            seen = due.seen[order_id]
            try:
                facts = facts_of(channel, due, seen)
            except WireError as error:
                await note_changed_type(channel, ORDER_READ, error)
                became = Became([(Kind.CANCELLATION, Arrived(Brought.PARKED, None, str(error)))])
                settled.append(_settled(channel, seen, became, receipt))
            else:
                await _note_refund(channel, facts)
                news.append((facts, seen))
        brought = await bring_orders(channel, due.read_at, news)
        await reached(Point.BROUGHT)
        for order_id, became in brought.items():
            settled.append(_settled(channel, due.seen[order_id], became, receipt))
        await settle_orders(engine, platform, due.read_at, settled)
        # An order's refund can be that of a return, which is closed and would not be read soon.
        refunded = {facts.id for facts, seen in news if seen.changed and facts.refunded}
        await look_now(engine, platform, refunded)


async def _note_refund(channel: Channel, facts: OrderFacts) -> None:
    """Note a word for a refund that nobody knows; what is paid back is told all the same."""
    if facts.unknown_refund is not None:
        name = f"refund_status {facts.unknown_refund}"
        strange = WireError("order", facts.id, name, "an unknown word")
        await note_changed_type(channel, ORDER_READ, strange)


def facts_of(channel: Channel, due: Due, seen: Seen) -> OrderFacts:
    """What a due order says, beside what the mirror knows of its lines. Raises WireError."""
    account, raw = channel.account, due.raws[seen.order_id]
    return read_facts(raw, seen.lines, account.zone, account.currency, due.read_at)


def _settled(channel: Channel, seen: Seen, became: Became, receipt: Receipt) -> Settled:
    """Tell the receipt what became of an order's news, and the mirror whether it is owed still."""
    for kind, arrived in became.arrived:
        receipt.count(kind, arrived.brought)
        if arrived.brought is Brought.PARKED:
            receipt.parked.append(Parked(kind, seen.order_id, arrived.problem or ""))
    for kind, note in became.notes:
        receipt.parked.append(Parked(kind, seen.order_id, note))
    delay = became.undecided or 0.0
    if became.problem:
        delay = pause_after(seen.attempts, channel.timings)
    return Settled(seen.order_id, became.is_owed, became.problem, delay)


def by_number(rows: Iterable[Raw]) -> dict[int, Raw]:
    """The orders that have a number."""
    numbered = ((number_of(raw, ORDERS.name), raw) for raw in rows)
    return {order_id: raw for order_id, raw in numbered if order_id is not None}


async def _receive_modified(
    channel: Channel, kind: int, clock: Clock, receipt: Receipt, take: Take
) -> None:
    """Read what was modified since the cursor and move it, once all of that is mirrored."""
    look = await begin_look(channel, f"orders:{kind}", clock.now())
    earliest = to_local(look.after - TOLERANCE, channel.account.zone)
    try:
        async for page in read_window(
            channel,
            ORDER_READ,
            ORDER_COUNT,
            {"type": kind},
            look.after,
            None,
            ("modifiedAfter", "modifiedBefore"),
            _key,
            _fits(kind, earliest),
            look.ends,
        ):
            known = receipt.changed
            await take(channel, page, clock, receipt)
            if receipt.changed > known:
                look.ends.brought_news()
    except (FilterIgnoredError, IncompleteListingError, ReadRefusedError) as problem:
        receipt.parked.append(Parked(Kind.CANCELLATION, None, str(problem)))
    else:
        await end_look(channel, look)


def _fits(kind: int, earliest: str) -> Callable[[Raw], bool]:
    """Whether an order has this type and was modified lately; what can't be read may be so."""

    def fits(raw: Raw) -> bool:
        modified = raw.get("modified")
        if isinstance(modified, str) and len(modified) == len(earliest) and modified < earliest:
            return False
        return whole_number(raw.get("type")) in (kind, None)

    return fits


def _key(raw: Raw) -> object:
    return row_key(raw, ORDERS.name)


async def _receive_owed(
    channel: Channel, clock: Clock, since: datetime, receipt: Receipt, take: Take
) -> None:
    """Read by their numbers what the ERP is owed and no page has shown since then."""
    account = channel.account
    owed = await owed_due(channel.engine, account.platform, account.name, since, MOST_SINGLY)
    for first in range(0, len(owed), TOGETHER):
        page = Page(time.monotonic(), [])

        async def read(channel: Channel, order: tuple[int, int], page: Page = page) -> None:
            await read_again(channel, *order, page, receipt)

        await abreast(channel, owed[first : first + TOGETHER], read)
        for owner, rows in by_owner(channel, page.rows):
            await take(owner, Page(page.began, rows), clock, receipt)


def by_owner(channel: Channel, rows: Iterable[Raw]) -> list[tuple[Channel, list[Raw]]]:
    """Orders that were read by their numbers, each with the account that sees to its type."""
    owners: dict[str, tuple[Channel, list[Raw]]] = {channel.account.name: (channel, [])}
    for raw in rows:
        owner = channel.seeing_to(whole_number(raw.get("type")))
        owners.setdefault(owner.account.name, (owner, []))[1].append(raw)
    return list(owners.values())


async def read_again(
    channel: Channel, order_id: int, kind: int, page: Page, receipt: Receipt
) -> None:
    """Read an order by its number into a page; one that can't be had is told of, and rests.

    It may be of the other type by now, or never have been of this one.
    """
    account = channel.account
    problem, failed = f"eMAG shows no order {order_id} any more: look for it there", False
    for each in dict.fromkeys((kind, *TYPES)):
        try:
            body = {"id": order_id, "type": each}
            rows = await ask(channel, ORDER_READ, body, Subject(orders=[order_id]))
        except ReadRefusedError as refused:
            rows, problem = [], str(refused)
            failed |= isinstance(refused, ReadFailedError)
        found = [raw for raw in rows if whole_number(raw.get("id")) == order_id]
        if found:
            page.rows.append(found[0])
            return
    if not failed and await forget_order(channel.engine, account.platform, order_id):
        return
    receipt.count(Kind.CANCELLATION, Brought.PARKED)
    receipt.parked.append(Parked(Kind.CANCELLATION, order_id, problem))
    platform, timings = channel.account.platform, channel.timings
    await rest_order(channel.engine, platform, order_id, problem, timings)
