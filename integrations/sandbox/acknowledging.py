"""order/acknowledge/{id} and order/{id}/unlock-courier (API facts, acknowledge)."""

from __future__ import annotations

from integrations.sandbox.exchange import Answer, Ask, success
from integrations.sandbox.moves import move_order


def acknowledge(ask: Ask) -> Answer:
    """New becomes in progress; only the seller's own orders, and only once."""
    number = ask.number or 0
    ask.record.items = 1
    ask.record.order_ids.append(number)
    order = ask.market.orders.get(number)
    if order is None:
        return ask.refuse("rule", f"ERROR: Order not found - Order id: {number}", about=number)
    if order["type"] != 3:
        text = "ERROR: Orders fulfilled by eMAG can not be acknowledged"
        return ask.refuse("rule", f"{text} - Order id: {number}", about=number)
    if order["status"] != 1:
        if ask.market.switches.acknowledge_twice == 200:
            text = "WARNING: Order has already been acknowledged."
            return ask.refuse("matrix", text, 200, number)
        return ask.refuse("matrix", "ERROR: Order is already in progress.", 400, number)
    move_order(ask.market, order, 2, request=ask.record, kind="acknowledge")
    return success([])


def unlock_courier(ask: Ask) -> Answer:
    """Let the order travel with any courier again."""
    number = ask.number or 0
    ask.record.items = 1
    ask.record.order_ids.append(number)
    order = ask.market.orders.get(number)
    if order is None:
        return ask.refuse("rule", f"ERROR: Order not found - Order id: {number}", about=number)
    was = order["enforced_vendor_courier_accounts"]
    if was is not None:
        order["enforced_vendor_courier_accounts"] = None
        ask.market.touch(order)
        ask.market.journal.effect(
            "order.courier", number, was, None, at=ask.market.now(), request=ask.record
        )
    return success([])
