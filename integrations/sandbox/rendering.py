"""Records as they go out, bent by the switches. With the usual switches they go out as kept."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.switches import Switches
from integrations.sandbox.wire import Json

# Numbers that some clients have met as texts (API facts, Quirks 3)
_NUMBERS = frozenset(
    {
        "id",
        "type",
        "status",
        "payment_mode_id",
        "payment_status",
        "quantity",
        "initial_qty",
        "storno_qty",
        "mkt_id",
        "emag_id",
        "request_status",
        "return_type",
        "return_reason",
        "pickup_method",
        "product_emag_id",
        "order_type",
    }
)
_EMPTY: dict[str, Any] = {"list": [], "object": {}, "null": None}
_EMPTY_REASON: dict[str, Any] = {"null": None, "list": [], "object": {"id": None, "name": None}}

# Invented fields that no client can foresee (API facts, Quirks 5)
UNFORESEEN_ORDER: Json = {"sandbox_promise": {"level": 2, "label": "Livrare in 48h"}}
UNFORESEEN_LINE: Json = {"sandbox_badge": "Super Pret"}
UNFORESEEN_RETURN: Json = {"sandbox_inspection": [{"step": "foto", "done": False}]}


def shown_order(order: Json, switches: Switches) -> Json:
    """An order as a reader sees it."""
    if switches.plain:
        return order
    lines = order["products"]
    if switches.zero_lines == "dropped":
        lines = [line for line in lines if line["quantity"] and line["status"]]
    shown = {**order, "products": [_shown_line(line, switches) for line in lines]}
    shown["details"] = order["details"] or _EMPTY[switches.empty_objects]
    shown["reason_cancellation"] = (
        order["reason_cancellation"] or _EMPTY_REASON[switches.empty_reason]
    )
    if switches.unknown_fields:
        shown |= UNFORESEEN_ORDER
    return _as_texts(shown) if switches.strings_for_numbers else shown


def shown_return(rma: Json, switches: Switches) -> Json:
    """A return as a reader sees it."""
    if switches.plain:
        return rma
    shown = {**rma, "locker": rma["locker"] or _EMPTY[switches.empty_objects]}
    if switches.product_id_numbers:
        shown["products"] = [_numbered(line) for line in rma["products"]]
    if switches.unknown_fields:
        shown |= UNFORESEEN_RETURN
    return _as_texts(shown) if switches.strings_for_numbers else shown


def _shown_line(line: Json, switches: Switches) -> Json:
    shown = {**line, "details": line["details"] or _EMPTY[switches.empty_objects]}
    if switches.product_id_numbers:
        shown = _numbered(shown)
    if switches.unknown_fields:
        shown |= UNFORESEEN_LINE
    return shown


def _numbered(line: Json) -> Json:
    product_id = line["product_id"]
    return {**line, "product_id": int(product_id) if product_id.isdecimal() else product_id}


def _as_texts(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _as_texts(below, name) for name, below in value.items()}
    if isinstance(value, list):
        return [_as_texts(each) for each in value]
    return str(value) if key in _NUMBERS and isinstance(value, int) else value
