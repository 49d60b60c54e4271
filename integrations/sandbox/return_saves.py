"""rma/save: moving a return along, and noting what becomes of its lines (API facts, rma/save).

eMAG's own text is known for a missing customer name; the others follow its pattern.
"""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bodies import items_of
from integrations.sandbox.exchange import Answer, Ask, RefusalError, refusal, success
from integrations.sandbox.matrices import RETURN_MOVES
from integrations.sandbox.moves import move_return
from integrations.sandbox.order_changes import sent_lines
from integrations.sandbox.reasons import TEXT_MANDATORY
from integrations.sandbox.wire import Json, whole

# field: how the refusal calls it
REQUIRED: dict[str, str] = {
    "emag_id": "return id",
    "order_id": "order id",
    "type": "type",
    "customer_name": "customer name",
    "customer_phone": "customer phone",
    "pickup_country": "pickup country",
    "pickup_suburb": "pickup suburb",
    "pickup_city": "pickup city",
    "pickup_address": "pickup address",
    "pickup_locality_id": "pickup locality",
    "pickup_method": "pickup method",
    "return_type": "return type",
    "return_reason": "return reason",
    "date": "date",
}
REQUIRED_ON_LINES: dict[str, str] = {
    "id": "product line id",
    "product_id": "product id",
    "quantity": "product quantity",
    "product_name": "product name",
    "return_reason": "product return reason",
}
_WRITABLE = ("observations", "return_tax_value", "request_status_reason")
_WRITABLE_ON_LINES = (
    "observations",
    "diagnostic",
    "reject_reason",
    "refund_value",
    "retained_amount",
)


def save_returns(ask: Ask) -> Answer:
    """Save each return by itself; only those that a message names were not taken.

    An answer with errors echoes everything that was sent, in a list within a list.
    """
    items = items_of(ask, lone_allowed=ask.market.switches.lone_object_saves)
    if isinstance(items, str):
        return ask.refuse("shape", items)
    ask.record.items = len(items)
    messages, saved = [], []
    for item in items:
        number = whole(item.get("emag_id")) if isinstance(item, dict) else None
        if number is not None:
            ask.record.return_ids.append(number)
        try:
            saved.append(_save(ask, item, number))
        except RefusalError as refused:
            text = f"ERROR: {refused} - Rma id: {number}"
            ask.violated(refused.rule, text, number)
            messages.append(text)
    if messages:
        return refusal(ask.market, messages, results=[items])
    return success([saved])


def _save(ask: Ask, item: Any, number: int | None) -> Json:
    market = ask.market
    if not isinstance(item, dict) or number is None:
        raise RefusalError("shape", "please provide the return id")
    rma = market.returns.get(number)
    if rma is None:
        raise RefusalError("rule", "return not found")
    if rma["type"] == 2 and not market.switches.fbe_rma_save:
        raise RefusalError("rule", "returns of orders fulfilled by eMAG can not be changed")
    if not market.switches.partial_rma_save:
        _check_required(item)
    _check_belongs(rma, item)
    status = whole(item.get("request_status", rma["request_status"]))
    check_move(rma, status)
    assert status is not None
    _apply(rma, item)
    if status != rma["request_status"]:
        move_return(market, rma, status, request=ask.record)
    return {
        "emag_id": number,
        "order_id": rma["order_id"],
        "request_status": rma["request_status"],
    }


def check_move(rma: Json, status: int | None) -> None:
    """Refuse what the status matrix doesn't allow."""
    was = rma["request_status"]
    if status not in RETURN_MOVES[was]:
        raise RefusalError("matrix", f"request status can not be changed from {was} to {status}")


def _check_required(item: Json) -> None:
    for name, called in REQUIRED.items():
        if item.get(name) in (None, ""):
            raise RefusalError("rule", f"please provide the {called}")
    lines = item.get("products")
    if not isinstance(lines, list) or not lines:
        raise RefusalError("rule", "please provide the products")
    for line in lines:
        for name, called in REQUIRED_ON_LINES.items():
            if not isinstance(line, dict) or line.get(name) in (None, ""):
                raise RefusalError("rule", f"please provide the {called}")
    if whole(item["return_reason"]) in TEXT_MANDATORY and not item.get("observations"):
        raise RefusalError("rule", "please provide the observations")


def _check_belongs(rma: Json, item: Json) -> None:
    if str(item.get("order_id", rma["order_id"])) != rma["order_id"]:
        raise RefusalError("rule", "the return belongs to another order")
    known = {line["id"] for line in rma["products"]}
    for line in sent_lines(item):
        if whole(line.get("id")) not in known:
            raise RefusalError("rule", f"unknown product line {line.get('id')}")


def _apply(rma: Json, item: Json) -> None:
    for name in _WRITABLE:
        if name in item:
            rma[name] = item[name]
    lines = {line["id"]: line for line in rma["products"]}
    for sent in sent_lines(item):
        line = lines[whole(sent["id"]) or 0]
        for name in _WRITABLE_ON_LINES:
            if name in sent:
                line[name] = sent[name]
