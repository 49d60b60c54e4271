"""order/attachments/save and order/attachments/read (API facts, Invoices and attachments)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from integrations.sandbox.bodies import filters_of, items_of
from integrations.sandbox.exchange import Answer, Ask, RefusalError, refusal, success
from integrations.sandbox.filters import FilterError, number_filter
from integrations.sandbox.whole_orders import complete_attachment
from integrations.sandbox.wire import Json, truth, whole

TYPES = frozenset({1, 3, 4, 8, 10, 11, 13})
WARRANTY = 3
LONGEST_NAME = 60
LONGEST_URL = 1024


def save_attachments(ask: Ask) -> Answer:
    """Attach each document by itself; only those that a message names were not taken."""
    items = items_of(ask, lone_allowed=ask.market.switches.lone_object_saves)
    if isinstance(items, str):
        return ask.refuse("shape", items)
    ask.record.items = len(items)
    messages = []
    for item in items:
        number = whole(item.get("order_id")) if isinstance(item, dict) else None
        if number is not None:
            ask.record.order_ids.append(number)
        try:
            _save(ask, item, number)
        except RefusalError as refused:
            text = f"ERROR: {refused} - Order id: {number}"
            ask.violated(refused.rule, text, number)
            messages.append(text)
    if messages:
        return refusal(ask.market, messages, results=[])
    return success([None] * len(items))


def read_attachments(ask: Ask) -> Answer:
    """The attachments of an order. Without a filter that counts: those of all orders."""
    market = ask.market
    try:
        number, kind = _wanted(ask)
    except FilterError as bad:
        return bad.answer(ask)
    if number is not None:
        ask.record.order_ids.append(number)
    numbers = market.orders.numbers(kind=kind) if number is None else [number]
    found: list[Json] = []
    for each in numbers:
        order = market.orders.get(each)
        if order is not None and (kind is None or order["type"] == kind):
            found.extend(order["attachments"])
    ask.record.items = len(found)
    return success(found)


def _wanted(ask: Ask) -> tuple[int | None, int | None]:
    """Order and type that are asked for; sources disagree where they must stand."""
    if ask.market.switches.attachments_filter == "data":
        inner = ask.body.get("data") if isinstance(ask.body, dict) else None
        inner = inner if isinstance(inner, dict) else {}
        return number_filter(inner, "id"), number_filter(inner, "order_type", 2, 3)
    filters = filters_of(ask)
    return number_filter(filters, "order_id"), number_filter(filters, "order_type", 2, 3)


def _save(ask: Ask, item: Any, number: int | None) -> None:
    market = ask.market
    if not isinstance(item, dict) or number is None:
        raise RefusalError("rule", "order_id is required")
    kind = whole(item.get("order_type"))
    if kind not in (2, 3):
        raise RefusalError("rule", "order_type is required and must be 2 or 3")
    order = market.orders.get(number)
    if order is None or order["type"] != kind:
        raise RefusalError("rule", "Order not found")
    attachment = _checked(order, item)
    again = truth(item.get("force_download"))
    merged = market.switches.attachment_duplicates == "merged"
    for known in order["attachments"]:
        if known["url"] == attachment["url"] and (again or merged):
            if again:
                _refresh(ask, known, attachment)
            return
    market.attach(order, attachment, ask.record)
    if attachment["type"] == WARRANTY:
        line = _line(order, item)
        line["attachments"].append(attachment)


def _refresh(ask: Ask, known: Json, attachment: Json) -> None:
    """A known address with `force_download` is fetched again, not attached again."""
    known["name"] = attachment["name"]
    ask.market.await_download(known)
    ask.market.journal.effect(
        "attachment.refresh",
        known["order_id"],
        known["url"],
        known["url"],
        at=ask.market.now(),
        request=ask.record,
    )


def _checked(order: Json, item: Json) -> Json:
    name, url = item.get("name"), item.get("url")
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME:
        raise RefusalError("rule", f"name must have 1 to {LONGEST_NAME} characters")
    if not isinstance(url, str) or not 1 <= len(url) <= LONGEST_URL:
        raise RefusalError("rule", f"url must have 1 to {LONGEST_URL} characters")
    if not _can_be_fetched(url):
        raise RefusalError("rule", "url must be an address that can be downloaded")
    kind = whole(item.get("type", 1))
    if kind not in TYPES:
        raise RefusalError("rule", f"unknown attachment type {item.get('type')}")
    force = item.get("force_download", 0)
    if whole(force) not in (0, 1) and not truth(force):
        raise RefusalError("rule", "force_download must be 0 or 1")
    if kind == WARRANTY:
        line = _line(order, item)
        if any(each["type"] == WARRANTY for each in line["attachments"]):
            raise RefusalError("rule", "the product has a warranty already")
    given = {"name": name, "url": url, "type": kind, "force_download": int(truth(force))}
    return complete_attachment(order, given)


def _can_be_fetched(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _line(order: Json, item: Json) -> Json:
    """The order line that a warranty belongs to."""
    number = whole(item.get("order_product_id"))
    lines: list[Json] = order["products"]
    for line in lines:
        if line["id"] == number:
            return line
    raise RefusalError("rule", "a warranty needs order_product_id, a product of the order")
