"""Bring returns into the ERP: which row each belongs to, and what that row is to hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from integrations.emag.matrices import return_path
from integrations.emag.return_facts import LineFacts, ReturnFacts, customer
from integrations.emag.return_reasons import return_reason
from integrations.emag.wire import Raw, ReturnLine
from integrations.erp.rows import Kind, ReturnRow
from integrations.erp.write import NOW, Value
from integrations.ledger.arrivals import Arrival, Arrived, Brought
from integrations.ledger.return_owners import Owner, owners_of, unlinked_rows, wake
from integrations.sync.abreast import abreast
from integrations.sync.channel import Channel
from integrations.sync.plan_returns import EMAG_STATUS, KEYS, OPEN
from integrations.sync.wishes import RETURN_WISHES

# Short transactions at once; the engine has a few connections for everything.
LANES = 3

INCOMPLETE: Final = 1
UNRECEIVED: Final = frozenset({1, 2, 3})

ERP_STATUS: Final[Mapping[int, str]] = {
    1: "pending",
    2: "pending",
    3: "approved",
    4: "rejected",
    5: "cancelled",
    6: "processing",
    7: "completed",
}
"""eMAG's statuses in the ERP's words."""

_KNOWN: Final[Mapping[str, int]] = {word: status for status, word in EMAG_STATUS.items()}


@dataclass(frozen=True, slots=True)
class News:
    """A return that the ERP is owed.

    `changed` says that it is new, or other than it was; `since` when it was first seen as it is.
    """

    facts: ReturnFacts
    raw: Raw
    changed: bool
    since: datetime


async def arrive(channel: Channel, read_at: datetime, news: Sequence[News]) -> dict[int, Arrived]:
    """Bring in these returns, which were read at that time of the database's, by number."""
    arrived: dict[int, Arrived] = {}
    usable = [each for each in news if _is_usable(each, arrived)]
    placed = await _place(channel, usable)
    lanes = [usable[lane::LANES] for lane in range(LANES)]

    async def carry(channel: Channel, lane: Sequence[News]) -> None:
        for each in lane:
            emag_id = each.facts.emag_id
            arrived[emag_id] = await _arrive(channel, read_at, each, placed)

    await abreast(channel, lanes, carry)
    await wake(channel.engine, _woken(usable, arrived, placed))
    return arrived


@dataclass(frozen=True, slots=True)
class _Places:
    """The rows that returns belong to, and those that could come to have them, by order."""

    owners: Mapping[int, Owner]
    unlinked: Mapping[int, Sequence[ReturnRow]]

    def waiting(self, facts: ReturnFacts) -> list[ReturnRow]:
        """Rows that the way out may link this return to."""
        rows = self.unlinked.get(facts.order_id or 0, ())
        return [row for row in rows if _may_have(row, facts)]


def _is_usable(news: News, arrived: dict[int, Arrived]) -> bool:
    """Whether the ERP can be told at all; if not, why is noted."""
    facts = news.facts
    problem = None
    if facts.order_id is None:
        unread = facts.unread("order_id") or f"return {facts.emag_id} names no order"
        problem = f"{unread}: look at it at eMAG"
    elif facts.status not in ERP_STATUS:
        problem = f"return {facts.emag_id} has the unknown status {facts.status}"
    if problem:
        arrived[facts.emag_id] = Arrived(Brought.PARKED, problem=problem)
    return problem is None


async def _place(channel: Channel, news: Sequence[News]) -> _Places:
    if not news:
        return _Places({}, {})
    account, engine, schema = channel.account, channel.engine, channel.schema
    ids = {each.facts.emag_id for each in news}
    platform, elsewhere = account.platform, channel.elsewhere
    owners = await owners_of(engine, schema, platform, account.name, ids, elsewhere=elsewhere)
    orders = {
        each.facts.order_id
        for each in news
        if each.facts.order_id is not None and each.facts.emag_id not in owners
    }
    unlinked = await unlinked_rows(engine, schema, platform, orders, elsewhere=elsewhere)
    return _Places(owners, unlinked)


async def _arrive(channel: Channel, read_at: datetime, news: News, places: _Places) -> Arrived:
    owner = places.owners.get(news.facts.emag_id)
    if owner is None:
        if places.waiting(news.facts):
            return Arrived(Brought.UNSENT)
        if unread := news.facts.unread("products"):
            return Arrived(Brought.PARKED, problem=f"{unread}: it comes in with its lines")
        return await _create(channel, read_at, news)
    return await _update(channel, read_at, news, owner)


async def _create(channel: Channel, read_at: datetime, news: News) -> Arrived:
    values = _new_values(channel, news)
    items = [_item(channel, news.facts, line, str(values["status"])) for line in news.facts.lines]
    arrived = await channel.bring(
        channel.engine, channel.schema, _arrival(channel, read_at, news.facts, values, items=items)
    )
    if arrived.brought is not Brought.PARKED:
        return arrived
    # Another run, or the way out, may have been first.
    places = await _place(channel, [news])
    owner = places.owners.get(news.facts.emag_id)
    return await _update(channel, read_at, news, owner) if owner else arrived


async def _update(channel: Channel, read_at: datetime, news: News, owner: Owner) -> Arrived:
    """Let a known row follow eMAG; what the ERP decided and eMAG does not know stands.

    What eMAG alone decides is written beside it all the same.
    """
    facts = news.facts
    if _goes_back(facts, owner) and not _is_certain(channel, read_at, news):
        return Arrived(Brought.OVERTAKEN, owner.row_id)
    beside = _beside(facts)
    if owner.state is None and _is_ahead(owner.row, facts):
        arrived = await _bring(channel, read_at, facts, owner, beside, beside=True)
        return _instead(arrived, Brought.KEPT)
    values = {
        "status": ERP_STATUS[facts.status],
        "emag_return_id": str(facts.emag_id),
        **beside,
    }
    if owner.row is not None and owner.row.order_id < 1:
        values["emag_order_id"] = str(facts.order_id)
    arrived = await _bring(channel, read_at, facts, owner, values, beside=False)
    if arrived.brought in (Brought.UNSENT, Brought.KEPT):
        written = await _bring(channel, read_at, facts, owner, beside, beside=True)
        return _instead(written, arrived.brought)
    return arrived


def _goes_back(facts: ReturnFacts, owner: Owner) -> bool:
    """Whether eMAG shows a status from which the return has moved on, as far as is known."""
    known = _KNOWN.get(owner.known_status or "")
    if known is None:
        return False
    return facts.status == INCOMPLETE or bool(return_path(facts.status, known))


def _is_certain(channel: Channel, read_at: datetime, news: News) -> bool:
    """Whether the return is so, and is not merely shown as it was some moments ago."""
    return read_at > news.since + timedelta(seconds=channel.timings.settle)


def _instead(arrived: Arrived, brought: Brought) -> Arrived:
    """What became of the ERP's decision counts, where the rest could be written."""
    if arrived.brought in (Brought.UPDATED, Brought.SAME, Brought.UNSENT, Brought.KEPT):
        return Arrived(brought, arrived.row_id)
    return arrived


async def _bring(
    channel: Channel,
    read_at: datetime,
    facts: ReturnFacts,
    owner: Owner,
    values: Mapping[str, Value],
    *,
    beside: bool,
) -> Arrived:
    told = {**values, "updated_at": NOW}
    arrival = _arrival(channel, read_at, facts, told, row_id=owner.row_id, beside=beside)
    return await channel.bring(channel.engine, channel.schema, arrival)


def _arrival(
    channel: Channel,
    read_at: datetime,
    facts: ReturnFacts,
    values: Mapping[str, Value],
    *,
    row_id: int | None = None,
    items: Sequence[Mapping[str, Value]] = (),
    beside: bool = False,
) -> Arrival:
    return Arrival(
        kind=Kind.RMA,
        platform=channel.account.platform,
        account=channel.account.name,
        order_id=facts.order_id or 0,
        read_at=read_at,
        row_id=row_id,
        values=values,
        items=items,
        emag_id=str(facts.emag_id),
        emag_status=EMAG_STATUS.get(facts.status),
        beside=beside,
        expected={} if facts.refund.is_paid else _refund(facts),
    )


def _beside(facts: ReturnFacts) -> dict[str, Value]:
    """What is eMAG's alone to say of a return: its status there, and money that was paid."""
    values: dict[str, Value] = {}
    if facts.status in EMAG_STATUS:
        values["emag_status"] = EMAG_STATUS[facts.status]
    return values | _refund(facts) if facts.refund.is_paid else values


def _refund(facts: ReturnFacts) -> dict[str, Value]:
    refund = facts.refund
    if refund.amount is None:
        return {}
    values: dict[str, Value] = {
        "refund_amount": refund.amount,
        "refund_processed": refund.processed,
    }
    return values | {"currency": refund.currency} if refund.currency else values


def _new_values(channel: Channel, news: News) -> dict[str, Value]:
    facts, who = news.facts, customer(news.raw)
    described = f"eMAG {facts.reason}" if facts.reason is not None else "eMAG"
    return {
        "return_number": f"{channel.account.platform}-{facts.emag_id}",
        "emag_order_id": str(facts.order_id),
        "emag_return_id": str(facts.emag_id),
        "account_type": channel.account.name,
        "status": ERP_STATUS[facts.status],
        "reason": return_reason(facts.reason),
        "reason_description": f"{described}: {who.observations}" if who.observations else described,
        "refund_method": facts.refund_method,
        "currency": facts.refund.currency or channel.account.currency,
        "customer_name": who.name,
        "customer_phone": who.phone,
        "customer_email": who.email,
        "created_at": NOW,
        "updated_at": NOW,
        **_beside(facts),
    }


def _item(channel: Channel, facts: ReturnFacts, line: LineFacts, status: str) -> dict[str, Value]:
    item: dict[str, Value] = {
        "product_id": line.product_id,
        "sku": line.sku,
        "product_name": line.name,
        "quantity": line.quantity,
        "condition": "used",
        "reason": return_reason(line.reason if line.reason is not None else facts.reason),
        "status": status,
        "emag_item_id": str(line.id),
        "created_at": NOW,
        "updated_at": NOW,
    }
    if line.refund and line.refund > 0:
        pieces = line.quantity or 1
        item |= {"total_amount": line.refund, "unit_price": line.refund / pieces}
    return item


def _may_have(row: ReturnRow, facts: ReturnFacts) -> bool:
    """Whether the way out could link the row to this return, as eMAG has it now."""
    wanted = RETURN_WISHES.get(row.status)
    if facts.status not in OPEN and facts.status not in (INCOMPLETE, wanted):
        return False
    lines = [_as_line(each) for each in facts.lines]
    named = any(names(item, line) for item in row.items for line in lines for names in KEYS)
    return named or not row.items


def _as_line(line: LineFacts) -> ReturnLine:
    return ReturnLine(line.id, line.product_id, line.product_emag_id, line.quantity)


def _is_ahead(row: ReturnRow | None, facts: ReturnFacts) -> bool:
    """Whether a row that was never queued asks for something that eMAG could still do."""
    wanted = RETURN_WISHES.get(row.status) if row else None
    return wanted is not None and bool(return_path(facts.status, wanted))


def _woken(news: Sequence[News], arrived: Mapping[int, Arrived], places: _Places) -> set[int]:
    """Rows of the ERP that waited for what a return now is."""
    woken: set[int] = set()
    for each in news:
        facts = each.facts
        owner = places.owners.get(facts.emag_id)
        if not each.changed or arrived[facts.emag_id].brought is not Brought.UNSENT:
            continue
        if owner is None:
            woken |= {row.id for row in places.waiting(facts)}
        elif _is_awaited(owner, facts):
            woken.add(owner.row_id)
    return woken


def _is_awaited(owner: Owner, facts: ReturnFacts) -> bool:
    if owner.waiting_for == "emag_received":
        return facts.status not in UNRECEIVED
    return owner.waiting_for == "emag_return" and facts.status != INCOMPLETE
