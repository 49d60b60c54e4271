"""A recorded call in words: what was asked about one order or return, and what eMAG said to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from integrations.emag.envelope import read_envelope
from integrations.emag.masking import masked
from integrations.emag.matrices import OrderStatus, ReturnStatus
from integrations.emag.routes import (
    ATTACHMENTS_READ,
    ATTACHMENTS_SAVE,
    CUSTOMER_INVOICE_READ,
    INVOICE_READ,
    ORDER_ACKNOWLEDGE,
    ORDER_COUNT,
    ORDER_READ,
    ORDER_SAVE,
    RMA_READ,
    RMA_SAVE,
)
from integrations.emag.wire import rows
from integrations.ledger.history import Wanted, WholeCall
from integrations.ledger.sealing import Body, Kept, Sealer, open_body

Raw = Mapping[str, Any]

_NAMED: Final = re.compile(r" - (?:Product|Rma|Order) id: (\d{1,19})\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Told:
    """A call about one order or return.

    Attributes:
        asked: what was asked of eMAG, in words.
        row: the ERP row that it was asked for (`rma:12`), empty for reads.
        others: how many other entities went to eMAG in the same request.
        said: eMAG's message about it; after a read, the state that eMAG showed.
        kept: whether the request's body could be looked into.
    """

    sent_at: datetime
    account: str
    asked: str
    row: str
    others: int
    verdict: str
    cause: str | None
    said: str
    seconds: float | None
    kept: Kept


def tell(call: WholeCall, wanted: Wanted, sealer: Sealer | None) -> Told:
    """What a call that was found for an order or a return was about."""
    request = open_body(call.request, call.sealed, sealer)
    answer = open_body(call.answer, call.sealed, sealer)
    places = _places(call, wanted)
    entities = [each for each in _entities(request.value) if _about(each, wanted)]
    steps = [call.steps[place] for place in places if place < len(call.steps)]
    return Told(
        sent_at=call.sent_at,
        account=call.account,
        asked=_asked(call.route, steps, entities),
        row=", ".join(call.rows[place] for place in places if place < len(call.rows)),
        others=max(0, (call.items or 1) - max(1, len(places))) if call.writes else 0,
        verdict=call.verdict,
        cause=call.cause,
        said=_said(call, wanted, answer),
        seconds=call.seconds,
        kept=request.kept,
    )


def _places(call: WholeCall, wanted: Wanted) -> Sequence[int]:
    """Where in the lists of a lot the order or return stands."""
    ids, one = (
        (call.return_ids, wanted.rma) if wanted.order is None else (call.order_ids, wanted.order)
    )
    return [place for place, each in enumerate(ids) if each == one]


def _entities(value: Any) -> Sequence[Raw]:
    """The entities of a save, or the filters of a read."""
    each = value if isinstance(value, list) else [value]
    return [entity for entity in each if isinstance(entity, dict)]


def _about(entity: Raw, wanted: Wanted) -> bool:
    if wanted.order is None:
        return str(entity.get("emag_id")) == str(wanted.rma)
    if "emag_id" in entity or "order_id" in entity:
        return str(entity.get("order_id")) == str(wanted.order)
    return str(entity.get("id")) == str(wanted.order)


def _asked(route: str, steps: Sequence[str], entities: Sequence[Raw]) -> str:
    words = _WORDS.get(route)
    if words is None:
        return route
    if isinstance(words, str):
        return words
    count = max(1, len(steps), len(entities))
    told = (
        words(
            steps[place] if place < len(steps) else "",
            entities[place] if place < len(entities) else {},
        )
        for place in range(count)
    )
    return "; ".join(dict.fromkeys(told))


def _save_order(step: str, entity: Raw) -> str:
    """A save as a clerk would call it; without the planner's word for it, by what was sent."""
    if step and not _WHOLE.fullmatch(step):
        part = step.removeprefix("storno ")
        return f"{'cancel' if part == step else 'storno'} in part: {part}"
    change = step.removeprefix("storno ") or f"-> {entity.get('status', '')}"
    verb = _VERBS.get(change[-1], "save the order")
    reason = entity.get("reason_cancellation") if verb == "cancel" else None
    because = f", reason {reason}" if reason else ""
    return verb if change == "-> " else f"{verb}: status {change}{because}"


def _save_return(step: str, entity: Raw) -> str:
    status = step or (f"-> {entity['request_status']}" if "request_status" in entity else "")
    which = f" {entity['emag_id']}" if "emag_id" in entity else ""
    return f"set the return{which}: status {status}" if status else "save the return"


def _attach(step: str, entity: Raw) -> str:
    return step or f"attach {masked(str(entity.get('name') or 'a document'))}"


# A step that moves the whole order, and what it is called by the status where it ends.
_WHOLE: Final = re.compile(r"(storno )?\d -> \d")
_VERBS: Final = {"0": "cancel", "5": "storno"}

_WORDS: Final[Mapping[str, str | Callable[[str, Raw], str]]] = {
    ORDER_READ.path: "read the order",
    ORDER_COUNT.path: "count orders",
    ORDER_ACKNOWLEDGE.path: "acknowledge the order",
    ORDER_SAVE.path: _save_order,
    RMA_READ.path: "read the order's returns",
    RMA_SAVE.path: _save_return,
    ATTACHMENTS_READ.path: "read the order's documents",
    ATTACHMENTS_SAVE.path: _attach,
    INVOICE_READ.path: "read eMAG's invoices to the seller",
    CUSTOMER_INVOICE_READ.path: "read the invoices that eMAG issued",
}


def _said(call: WholeCall, wanted: Wanted, answer: Body) -> str:
    if call.message is None:
        return _shown(call, wanted, answer.value) if call.verdict == "applied" else ""
    if (call.items or 1) == 1:
        return call.message
    subject = wanted.rma if wanted.order is None else wanted.order
    envelope = read_envelope(answer.content) if answer.value is not None else None
    for message in envelope.messages if envelope else ():
        named = _NAMED.search(message)
        if named and named[1] in {str(subject), *map(str, _returns_of(call, wanted))}:
            return masked(message)
    return f"of another: {call.message}" if _NAMED.search(call.message) else call.message


def _returns_of(call: WholeCall, wanted: Wanted) -> Iterator[int]:
    """The returns of the order in a lot, which eMAG's messages name instead of the order."""
    for place in _places(call, wanted):
        if place < len(call.return_ids):
            yield call.return_ids[place]


def _shown(call: WholeCall, wanted: Wanted, value: Any) -> str:
    """The state that a read showed."""
    if call.writes or not isinstance(value, dict):
        return ""
    if call.route == ORDER_READ.path:
        found = [raw for raw in rows(value.get("results")) if _about(raw, wanted)]
        return "; ".join(_order(raw) for raw in found) or "not found"
    if call.route == RMA_READ.path:
        return "; ".join(_return(raw) for raw in rows(value.get("results"))) or "none found"
    return ""


def _order(raw: Raw) -> str:
    lines = raw.get("products")
    count = len(lines) if isinstance(lines, list) else 0
    status = _status(OrderStatus, raw.get("status"))
    return f"status {status}, {count} line{'' if count == 1 else 's'}"


def _return(raw: Raw) -> str:
    return f"RMA {raw.get('emag_id')} status {_status(ReturnStatus, raw.get('request_status'))}"


def _status(statuses: type[OrderStatus] | type[ReturnStatus], value: Any) -> str:
    try:
        found = statuses(int(value))
    except (TypeError, ValueError):
        return "unknown"
    return f"{found.value} {found.name.lower().replace('_', ' ')}"
