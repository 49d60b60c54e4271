"""What becomes of a request's effect when a fault strikes in the middle of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from integrations.sandbox.exchange import Answer, Ask, refusal
from integrations.sandbox.fault_answers import TRY_AGAIN, NoAnswerError, server_error
from integrations.sandbox.faults import Fault
from integrations.sandbox.past import past_market
from integrations.sandbox.routes import Route
from integrations.sandbox.subjects import lot_of
from integrations.sandbox.wire import whole

# save: the key of an item's id, and how messages call it
_NAMED: dict[str, tuple[str, str]] = {
    "order/save": ("id", "Order"),
    "order/attachments/save": ("order_id", "Order"),
    "rma/save": ("emag_id", "Rma"),
}


def struck_effect(route: Route, ask: Ask, fault: Fault) -> Answer:
    """Carry out a request as far as the fault lets it. Raises NoAnswerError."""
    if fault.kind == "stale":
        return _lagging(route, ask, fault)
    items = lot_of(ask)
    taken = len(items) - 1 if fault.kind == "one_refused" else len(items) // 2
    answer = route.handle(replace(ask, body=items[:taken]))
    _note(ask, items, items[taken:])
    return AFTERWARDS[fault.kind](ask, answer, items[taken])


def _lagging(route: Route, ask: Ask, fault: Fault) -> Answer:
    """A read of how things were."""
    history = ask.market.faults.history
    assert history is not None
    return route.handle(replace(ask, market=past_market(ask.market, history, fault)))


def _note(ask: Ask, items: list[Any], left: list[Any]) -> None:
    """The journal says what was asked, not how far it came."""
    ask.record.items = len(items)
    key, _ = _NAMED[ask.record.route]
    ids = ask.record.return_ids if key == "emag_id" else ask.record.order_ids
    numbers = (whole(item.get(key)) for item in left if isinstance(item, dict))
    ids.extend(number for number in numbers if number is not None)


def _lost(ask: Ask, answer: Answer, item: Any) -> Answer:
    raise NoAnswerError


def _named(ask: Ask, answer: Answer, item: Any) -> Answer:
    """An error that names one item, behind those of the items that were refused anyway."""
    key, word = _NAMED[ask.record.route]
    number = item.get(key) if isinstance(item, dict) else None
    said = answer.body if isinstance(answer.body, dict) else {}
    messages = said.get("messages") or ([said["message"]] if "message" in said else [])
    return refusal(ask.market, [*messages, f"{TRY_AGAIN} - {word} id: {number}"])


# What the client gets, by the request, the answer about what was taken, and the first item that
# was not
AFTERWARDS: dict[str, Callable[[Ask, Answer, Any], Answer]] = {
    "half_then_reset": _lost,
    "half_then_500": lambda ask, answer, item: server_error(500),
    "half_then_error": _named,
    "one_refused": _named,
}
