"""order/save: taking or refusing each order of a request, and what follows (API facts, order/save).

Only the text for a lone object is eMAG's own; the wordings here are invented, their
` - Order id: N` suffix is not.
"""

from __future__ import annotations

from integrations.sandbox.bodies import items_of
from integrations.sandbox.exchange import Answer, Ask, RefusalError, refusal, success
from integrations.sandbox.moves import move_order
from integrations.sandbox.order_changes import Changes, all_given_back, changes_asked
from integrations.sandbox.order_lines import edit_lines, give_back, return_if_empty
from integrations.sandbox.order_rules import (
    check_all_fields,
    check_changes,
    check_move,
    check_reason_shape,
    reason_asked,
)
from integrations.sandbox.reasons import reason_object
from integrations.sandbox.wire import Json, truth, whole


def save_orders(ask: Ask) -> Answer:
    """Save each order by itself; only those that a message names were not taken."""
    items = items_of(ask)
    if isinstance(items, str):
        return ask.refuse("shape", items)
    ask.record.items = len(items)
    messages = []
    for item in items:
        number = whole(item.get("id")) if isinstance(item, dict) else None
        if number is not None:
            ask.record.order_ids.append(number)
        try:
            _save(ask, _known_order(ask, number), item)
        except RefusalError as refused:
            text = f"ERROR: {refused} - Order id: {number}"
            ask.violated(refused.rule, text, number)
            messages.append(text)
    return refusal(ask.market, messages) if messages else success([])


def _known_order(ask: Ask, number: int | None) -> Json:
    if number is None:
        raise RefusalError("shape", "Invalid order")
    order = ask.market.orders.get(number)
    if order is None:
        raise RefusalError("rule", "Order not found")
    if order["type"] == 2:
        raise RefusalError("rule", "Orders fulfilled by eMAG can not be edited")
    return order


def _save(ask: Ask, order: Json, item: Json) -> None:
    market = ask.market
    if market.switches.require_all_fields:
        check_all_fields(market, order, item, by_form=ask.is_form)
    to = check_move(market, order, whole(item.get("status", order["status"])))
    check_reason_shape(market, item)
    storno = truth(item.get("is_storno"))
    if to == 0 and not storno:
        _cancel(ask, order, item)
        return
    changes = changes_asked(market, order, item)
    check_changes(market, order, changes, to=to, storno=storno)
    _carry_out(ask, order, changes, to)


def _cancel(ask: Ask, order: Json, item: Json) -> None:
    """Cancel the whole order; what is said about its lines no longer matters."""
    reason = reason_asked(ask.market, order, item.get("reason_cancellation"))
    if order["status"] != 0:
        move_order(ask.market, order, 0, request=ask.record)
        order["reason_cancellation"] = reason_object(reason)


def _carry_out(ask: Ask, order: Json, changes: Changes, to: int) -> None:
    market, request, was = ask.market, ask.record, order["status"]
    if was == 4 and to == 5:
        give_back(market, order, all_given_back(order), request=request)
    elif was == 4 and changes:
        give_back(market, order, changes, request=request)
        if return_if_empty(market, order, request):
            return
    elif changes:
        edit_lines(market, order, changes, request=request)
    if to != was:
        move_order(market, order, to, request=request)
