"""order/save: taking or refusing each order of a request, and what follows (API facts, order/save).

Only the text for a lone object is eMAG's own; the wordings here are invented, their
` - Order id: N` suffix is not.
"""

from __future__ import annotations

from integrations.sandbox.bodies import items_of
from integrations.sandbox.clock import local_text
from integrations.sandbox.exchange import Answer, Ask, RefusalError, refusal, success
from integrations.sandbox.moves import move_order
from integrations.sandbox.order_changes import Changes, active, all_given_back, changes_asked
from integrations.sandbox.order_rules import (
    check_all_fields,
    check_changes,
    check_move,
    check_reason_shape,
    reason_asked,
)
from integrations.sandbox.reasons import reason_object
from integrations.sandbox.whole_orders import complete_line
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
    was = order["status"]
    if was == 4 and to == 5:
        _give_back(ask, order, all_given_back(order))
    elif was == 4 and changes:
        _give_back(ask, order, changes)
        if not any(active(line) for line in order["products"]):
            move_order(ask.market, order, 5, request=ask.record, by="emag")
            return
    elif changes:
        _edit(ask, order, changes)
    if to != was:
        move_order(ask.market, order, to, request=ask.record)


def _edit(ask: Ask, order: Json, changes: Changes) -> None:
    """Add lines, take lines away, set quantities."""
    now = local_text(ask.market.now())
    for change in changes.lines:
        line = change.line
        key, value = ("status", 0) if change.removed else ("quantity", change.quantity)
        kind = "order.line.status" if change.removed else "order.line"
        was, line[key] = line[key], value
        line["modified"] = now
        _journal_line(ask, order, line, kind, was, value)
    for sent in changes.added:
        given = {key: value for key, value in sent.items() if key != "id"}
        line = complete_line(given, ask.market.sequences, now, order["currency"])
        order["products"].append(line)
        _journal_line(ask, order, line, "order.line", None, line["quantity"])
    ask.market.touch(order)


def _give_back(ask: Ask, order: Json, changes: Changes) -> None:
    """Storno: quantities shrink and `storno_qty` grows by as much."""
    for change in changes.lines:
        line = change.line
        was, left = line["quantity"], 0 if change.removed else change.quantity
        if change.removed:
            line["status"] = 0
        line["storno_qty"] += was - left
        line["quantity"] = left
        line["modified"] = local_text(ask.market.now())
        _journal_line(ask, order, line, "order.storno", was, left)
    ask.market.touch(order)


def _journal_line(
    ask: Ask, order: Json, line: Json, kind: str, was: int | None, became: int
) -> None:
    ask.market.journal.effect(
        kind,
        order["id"],
        was,
        became,
        at=ask.market.now(),
        request=ask.record,
        line=line["id"],
    )
