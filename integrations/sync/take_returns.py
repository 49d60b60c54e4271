"""A page of eMAG's returns: mirrored, and what the ERP is owed of it brought in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from integrations.emag.matrices import ReturnStatus
from integrations.emag.return_facts import (
    HIGHEST,
    Refund,
    ReturnFacts,
    emag_id_of,
    finalize_by,
    return_facts,
    status_of,
    type_of,
)
from integrations.emag.return_reasons import ERP_RETURN_REASONS
from integrations.emag.routes import RMA_READ
from integrations.emag.wire import Raw, WireError, to_utc, whole_number
from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Arrived, Brought
from integrations.ledger.clock import MARGIN, Clock
from integrations.ledger.mirror_returns import (
    UNREADABLE,
    Seen,
    Settled,
    Sight,
    see_returns,
    settle_returns,
)
from integrations.ledger.persist import pause_after
from integrations.ledger.points import Point, reached
from integrations.sync.arrive_returns import News, arrive
from integrations.sync.channel import Channel
from integrations.sync.drift import note_changed_type
from integrations.sync.page import Page
from integrations.sync.receipt import Parked, Receipt
from integrations.sync.unnumbered import RETURNS, note_unnumbered

# A return goes from one to the next: one that moves while it is looked for is met twice, not never.
OPEN: Final = (
    ReturnStatus.INCOMPLETE,
    ReturnStatus.NEW,
    ReturnStatus.ACKNOWLEDGED,
    ReturnStatus.RECEIVED,
)

# What a customer gets for the goods instead of money: the same product, or another.
EXCHANGES: Final = frozenset({1, 2})

_AGAIN = frozenset({Brought.UNSENT, Brought.OVERTAKEN, Brought.LOCKED, Brought.PARKED})
_UNTOLD = _AGAIN | {Brought.GONE}


async def take_returns(channel: Channel, page: Page, clock: Clock, receipt: Receipt) -> None:
    """Mirror the returns of a page and bring those into the ERP that it is owed."""
    account = channel.account
    read_at = clock.at(page.began) - MARGIN
    await note_unnumbered(channel, RETURNS, page.rows, read_at, receipt)
    looks = {look.emag_id: look for look in _looks(channel, page.rows)}
    receipt.read += len(page.rows)
    sights = [_sight(channel, look) for look in looks.values()]
    digests = {sight.emag_id: sight.digest for sight in sights}
    seen = await see_returns(channel.engine, account.platform, account.name, read_at, sights)
    receipt.changed += sum(each.changed for each in seen.values())
    if not seen:
        return
    await reached(Point.MIRRORED)
    news = [
        News(look.facts, look.raw, seen[look.emag_id].changed, seen[look.emag_id].since)
        for look in looks.values()
        if look.emag_id in seen and isinstance(look.facts, ReturnFacts)
    ]
    arrived = await arrive(channel, read_at, news)
    await reached(Point.BROUGHT)
    for look in looks.values():
        if look.emag_id in seen:
            await _note_drift(channel, look)
            if problem := _problem(channel, look, arrived.get(look.emag_id)):
                arrived[look.emag_id] = Arrived(Brought.PARKED, problem=problem)
    settled = []
    for emag_id, each in arrived.items():
        receipt.count(Kind.RMA, each.brought)
        if each.brought is Brought.PARKED:
            receipt.parked.append(Parked(Kind.RMA, emag_id, each.problem or ""))
        closed = status_of(looks[emag_id].raw) not in OPEN
        delay = _delay(channel, seen[emag_id], each, closed=closed)
        owed = each.brought in _AGAIN
        settled.append(Settled(emag_id, digests[emag_id], owed, each.problem, delay))
    await settle_returns(channel.engine, account.platform, settled)


@dataclass(frozen=True, slots=True)
class _Look:
    """A return as it came, and what can be made of it."""

    emag_id: int
    raw: Raw
    facts: ReturnFacts | WireError


def _looks(channel: Channel, rows: Sequence[Raw]) -> list[_Look]:
    """The returns that have a number."""
    looks = []
    for raw in rows:
        emag_id = emag_id_of(raw)
        if emag_id is None:
            continue
        try:
            looks.append(_Look(emag_id, raw, _facts(channel, raw)))
        except WireError as error:
            looks.append(_Look(emag_id, raw, error))
    return looks


def _facts(channel: Channel, raw: Raw) -> ReturnFacts:
    return return_facts(raw, channel.account.zone, channel.account.currency)


def _problem(channel: Channel, look: _Look, arrived: Arrived | None) -> str | None:
    """What a person has to look at, though nothing keeps the rest of the return from the ERP."""
    facts = look.facts
    if isinstance(facts, WireError):
        return str(facts)
    if not facts.refund.is_by_hand or arrived is None or arrived.brought in _UNTOLD:
        return None
    return (
        f"return {look.emag_id} has {_odd_refunds(channel, facts.refund)}, so nothing is written of"
        " its refund: look at eMAG what the customer got, and enter it by hand"
    )


def _odd_refunds(channel: Channel, refund: Refund) -> str:
    odd = []
    if refund.below_zero:
        odd.append(f"a refund amount of {', '.join(refund.below_zero)}")
    if refund.apart:
        own = refund.currency or channel.account.currency
        odd.append(f"refunds in {', '.join(refund.foreign)} and is in {own}")
    return ", and ".join(odd)


def _sight(channel: Channel, look: _Look) -> Sight:
    raw, status = look.raw, status_of(look.raw)
    order_id, kind = whole_number(raw.get("order_id")), type_of(raw)
    return Sight(
        emag_id=look.emag_id,
        type=kind if kind in (2, 3) else channel.account.order_type,
        order_id=order_id if order_id is not None and 0 < order_id <= HIGHEST else None,
        status=UNREADABLE if status is None else status,
        placed_at=to_utc(raw.get("date"), channel.account.zone),
        finalize_by=finalize_by(raw),
        digest=look.facts.digest
        if isinstance(look.facts, ReturnFacts)
        else blake2b(f"{status} {look.facts}".encode(), digest_size=12).hexdigest(),
        awaits_refund=isinstance(look.facts, ReturnFacts) and _awaits_refund(look.facts),
    )


def _awaits_refund(facts: ReturnFacts) -> bool:
    """Whether eMAG is expected to pay the customer of a closed return back yet."""
    is_through = facts.status == ReturnStatus.FINALIZED
    return is_through and facts.return_type not in EXCHANGES and not facts.refund.processed


def _delay(channel: Channel, seen: Seen, arrived: Arrived, *, closed: bool) -> float:
    """Seconds until an owed return is looked at again.

    What waits for the ERP's own decision and can't change any more is not read in every run.
    """
    if arrived.brought is Brought.PARKED:
        return pause_after(seen.attempts, channel.timings)
    if arrived.brought is Brought.UNSENT and closed and not seen.changed:
        return channel.timings.look_again
    return 0.0


async def _note_drift(channel: Channel, look: _Look) -> None:
    """Note what of a return nobody foresaw."""
    facts = look.facts
    if isinstance(facts, WireError):
        await note_changed_type(channel, RMA_READ, facts)
        return
    strange = {f"refund_status {word}": "an unknown word" for word in facts.refund.unknown}
    if facts.refund.odd:
        strange["refund amount"] = ", ".join(facts.refund.odd)
    if facts.refund.apart:
        strange["refund currency"] = ", ".join(facts.refund.foreign)
    if facts.reason is not None and facts.reason not in ERP_RETURN_REASONS:
        strange["return_reason"] = str(facts.reason)
    for each in facts.strange:
        await note_changed_type(channel, RMA_READ, each)
    for name, value in strange.items():
        await note_changed_type(channel, RMA_READ, WireError("return", look.emag_id, name, value))
