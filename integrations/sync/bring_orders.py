"""Bring orders' news into the ERP: look up what it holds, then write row by row what is missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeVar

from integrations.emag.order_facts import OrderFacts
from integrations.erp.connection import Connection
from integrations.erp.order_rows import (
    CancellationOfOrder,
    DeletedCancellation,
    InvoiceOfOrder,
    ReturnOfOrder,
    cancellations_of,
    deleted_cancellations,
    invoices_of,
    returns_of,
)
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.erp.spelling import spelt_otherwise
from integrations.ledger.arrivals import Arrival, Arrived, Brought
from integrations.ledger.database import autocommit
from integrations.ledger.mirror_orders import Seen, orders_with_coming_returns
from integrations.ledger.reopened import close_again, keep_targets, reopen
from integrations.sync.arrive_cancellations import (
    Brings,
    Held,
    Meant,
    meant_for_cancellations,
)
from integrations.sync.arrive_money import (
    OddTotalError,
    OtherCurrencyError,
    lacks_invoice,
    meant_for_invoices,
)
from integrations.sync.cancellation_rows import About
from integrations.sync.channel import Channel
from integrations.sync.pieces import gone

AGAIN: Final = frozenset({Brought.UNSENT, Brought.OVERTAKEN, Brought.LOCKED, Brought.PARKED})
"""Where the ERP is still owed what eMAG has."""

_CANCELED: Final = 0

# Where pieces may have gone because they came back.
_GIVEN_BACK: Final = (4, 5)

Row = TypeVar("Row")
Find = Callable[
    [Connection, ErpSchema, str, Collection[int], Collection[int]],
    Awaitable[Mapping[int, Sequence[Row]]],
]
"""Looks up the ERP's rows of orders, and those that are known to spell them otherwise."""


@dataclass
class Became:
    """What became of an order's news.

    Attributes:
        arrived: each piece of it, by kind of ERP row.
        undecided: it can't be told yet what it means; seconds until it may be.
        notes: what a person should know although nothing is owed, and of which kind of row.
    """

    arrived: list[tuple[Kind, Arrived]] = field(default_factory=list)
    undecided: float | None = None
    notes: list[tuple[Kind, str]] = field(default_factory=list)

    @property
    def is_owed(self) -> bool:
        """Whether the ERP does not show all of it yet."""
        return self.undecided is not None or any(each.brought in AGAIN for _, each in self.arrived)

    @property
    def problem(self) -> str | None:
        """Why the ERP's database refused a part of it."""
        problems = (each.problem for _, each in self.arrived if each.brought is Brought.PARKED)
        return next(problems, None)


@dataclass(frozen=True, slots=True)
class _Holds:
    """What the ERP and our books hold about the orders of a page."""

    cancellations: Mapping[int, Sequence[CancellationOfOrder]]
    deleted: Mapping[int, Sequence[DeletedCancellation]]
    invoices: Mapping[int, Sequence[InvoiceOfOrder]]
    returns: Mapping[int, Sequence[ReturnOfOrder]]
    coming: Collection[int]


async def bring_orders(
    channel: Channel, read_at: datetime, orders: Sequence[tuple[OrderFacts, Seen]]
) -> dict[int, Became]:
    """Bring these orders' news in; what became of it, by order."""
    if not orders:
        return {}
    account = channel.account
    about = About(account.platform, account.name, read_at, channel.policy.reasons)
    holds = await _look_up(channel, [facts for facts, _ in orders])
    meant = {facts.id: _meant(channel, facts, seen, holds, about) for facts, seen in orders}
    spelt = await _look_up_spelt(channel, [facts for facts, _ in orders], meant, holds, about)
    if spelt is not None:
        holds = spelt
        meant = {facts.id: _meant(channel, facts, seen, holds, about) for facts, seen in orders}
    became: dict[int, Became] = {}
    for facts, _ in orders:
        became[facts.id] = await _bring(channel, facts, meant[facts.id], holds, about)
    return became


async def _look_up(channel: Channel, orders: Sequence[OrderFacts]) -> _Holds:
    platform, schema = channel.account.platform, channel.schema
    ids = {facts.id for facts in orders}
    lessened = {facts.id for facts in orders if facts.status in _GIVEN_BACK and gone(facts)}
    async with autocommit(channel.engine) as connection:
        cancellations = await cancellations_of(connection, schema, platform, ids)
        deleted = await deleted_cancellations(connection, platform, ids)
        invoices = await invoices_of(connection, schema, platform, ids)
        returns = await returns_of(connection, schema, platform, lessened) if lessened else {}
    coming: Collection[int] = ()
    if lessened:
        coming = await orders_with_coming_returns(channel.engine, platform, lessened)
    return _Holds(cancellations, deleted, invoices, returns, coming)


def _meant(channel: Channel, facts: OrderFacts, seen: Seen, holds: _Holds, about: About) -> Meant:
    cancellations = holds.cancellations.get(facts.id, ())
    returns = holds.returns.get(facts.id, ())
    held = Held(
        cancellations=[row for row in cancellations if row.account not in channel.elsewhere],
        deleted=holds.deleted.get(facts.id, ()),
        returns=[row for row in returns if row.account not in channel.elsewhere],
        wish_is_new=seen.wish_is_new,
        was_cancelled=seen.status_before == _CANCELED,
        settle=channel.timings.settle,
        return_is_coming=facts.id in holds.coming,
    )
    return meant_for_cancellations(facts, held, about)


async def _look_up_spelt(
    channel: Channel,
    orders: Sequence[OrderFacts],
    meant: Mapping[int, Meant],
    holds: _Holds,
    about: About,
) -> _Holds | None:
    """What there is besides in rows that spell their orders otherwise, where it may matter.

    None if there is nothing. Such rows are sought where something is about to be written.
    """
    told = {facts.id for facts in orders if meant[facts.id].rows}
    lessened = told & {facts.id for facts in orders if facts.status in _GIVEN_BACK}
    paid = {facts.id for facts in orders if _is_money_untold(channel, facts, holds, about)}
    if not (told or paid):
        return None
    async with autocommit(channel.engine) as connection:
        cancellations = await _spelt(channel, connection, Kind.CANCELLATION, told, cancellations_of)
        returns = await _spelt(channel, connection, Kind.RMA, lessened, returns_of)
        invoices = await _spelt(channel, connection, Kind.INVOICE, paid, invoices_of)
    if not (cancellations or returns or invoices):
        return None
    return replace(
        holds,
        cancellations={**holds.cancellations, **cancellations},
        returns={**holds.returns, **returns},
        invoices={**holds.invoices, **invoices},
    )


async def _spelt(
    channel: Channel,
    connection: Connection,
    kind: Kind,
    ids: Collection[int],
    find: Find[Row],
) -> Mapping[int, Sequence[Row]]:
    """All rows of those orders that the ERP names in another spelling, too."""
    known = await spelt_otherwise(connection, channel.schema, kind, ids)
    if not known:
        return {}
    rows = [row_id for each in known.values() for row_id in each]
    return await find(connection, channel.schema, channel.account.platform, known.keys(), rows)


async def _bring(
    channel: Channel, facts: OrderFacts, meant: Meant, holds: _Holds, about: About
) -> Became:
    became = Became(notes=[(Kind.CANCELLATION, note) for note in meant.notes])
    for each in meant.rows:
        await _bring_row(channel, each, became)
    for row, reason in meant.reopened:
        done = await reopen(channel.engine, channel.schema, row.id, facts.id, about.read_at, reason)
        became.arrived.append((Kind.CANCELLATION, _noted(row, done=done)))
    for row, status in meant.agreed:
        done = await close_again(
            channel.engine, channel.schema, row.id, facts.id, about.read_at, status
        )
        became.arrived.append((Kind.CANCELLATION, _noted(row, done=done)))
    if meant.undecided:
        became.undecided = channel.timings.settle
    if facts.id in holds.coming and meant.undecided:
        became.undecided = channel.timings.look_again
    await _bring_money(channel, facts, _invoices(channel, facts, holds), about, became)
    return became


async def _bring_money(
    channel: Channel,
    facts: OrderFacts,
    invoices: Sequence[InvoiceOfOrder],
    about: About,
    became: Became,
) -> None:
    try:
        arrivals = meant_for_invoices(facts, invoices, about)
    except OtherCurrencyError as error:
        became.notes.append((Kind.INVOICE, str(error)))
    except OddTotalError as error:
        parked = Arrived(Brought.PARKED, error.row_id, str(error))
        became.arrived.append((Kind.INVOICE, parked))
    else:
        for arrival in arrivals:
            became.arrived.append((Kind.INVOICE, await _arrive(channel, arrival)))


def _invoices(channel: Channel, facts: OrderFacts, holds: _Holds) -> list[InvoiceOfOrder]:
    rows = holds.invoices.get(facts.id, ())
    return [row for row in rows if row.account not in channel.elsewhere]


def _is_money_untold(channel: Channel, facts: OrderFacts, holds: _Holds, about: About) -> bool:
    """Whether there is money of an order that no invoice shows, as far as they are known."""
    invoices = _invoices(channel, facts, holds)
    try:
        return lacks_invoice(facts, invoices) or bool(meant_for_invoices(facts, invoices, about))
    except (OddTotalError, OtherCurrencyError):
        return False


async def _bring_row(channel: Channel, row: Brings, became: Became) -> None:
    arrived = await _arrive(channel, row.arrival)
    became.arrived.append((Kind.CANCELLATION, arrived))
    if arrived.brought is Brought.CREATED and row.targets and arrived.row_id is not None:
        await keep_targets(channel.engine, arrived.row_id, row.targets.to_json())


async def _arrive(channel: Channel, arrival: Arrival) -> Arrived:
    return await channel.bring(channel.engine, channel.schema, arrival)


def _noted(row: CancellationOfOrder, *, done: bool) -> Arrived:
    return Arrived(Brought.UPDATED if done else Brought.OVERTAKEN, row.id)
