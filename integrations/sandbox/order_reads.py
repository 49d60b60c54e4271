"""order/read and order/count (API facts, Filters of order/read and order/count)."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.sandbox.bodies import filters_of
from integrations.sandbox.exchange import Answer, Ask, success
from integrations.sandbox.filters import (
    FilterError,
    counted,
    number_filter,
    numbers_filter,
    page_of,
    refused_null,
    window_filter,
)
from integrations.sandbox.rendering import shown_order
from integrations.sandbox.shelf import Windows, fits
from integrations.sandbox.state import State
from integrations.sandbox.wire import Json

FILTERS = frozenset(
    {
        "id",
        "status",
        "payment_mode_id",
        "is_complete",
        "type",
        "createdAfter",
        "createdBefore",
        "modifiedAfter",
        "modifiedBefore",
    }
)
WITHOUT_FILTERS = 100


def read_orders(ask: Ask) -> Answer:
    """A page of orders, newest first; without any filter only the last hundred are there."""
    market, filters = ask.market, filters_of(ask)
    if refused := refused_null(ask):
        return refused
    try:
        page = page_of(filters, market.switches)
        rows = matching(market, filters, market.switches.order_read_default_type)
    except FilterError as bad:
        return bad.answer(ask)
    if not FILTERS & filters.keys():
        rows = rows[:WITHOUT_FILTERS]
    numbers = page.capped(market.switches.page_cap).of(rows, page_shift(market, "orders"))
    ask.record.items = len(numbers)
    ask.record.order_ids.extend(numbers)
    return success([_shown(market, number) for number in numbers])


def count_orders(ask: Ask) -> Answer:
    """How many orders match, and how many pages that makes."""
    market, filters = ask.market, filters_of(ask)
    if refused := refused_null(ask):
        return refused
    try:
        page = page_of(filters, market.switches)
        rows = matching(market, filters, market.switches.order_count_default_type)
    except FilterError as bad:
        return bad.answer(ask)
    return success(counted(len(rows), page, as_text=market.switches.count_strings))


def page_shift(market: State, rows: str) -> int:
    """By how many places rows of a kind have moved: by switch, to and fro at every read of them."""
    market.reads[rows] += 1
    return (market.reads[rows] + 1) % 2 if market.switches.page_shift else 0


def matching(market: State, filters: Json, default_type: int | None) -> Sequence[int]:
    """Ids of the orders that all known filters let through, newest first. Raises FilterError."""
    kind = number_filter(filters, "type", 2, 3)
    kind = default_type if kind is None else kind
    statuses = numbers_filter(filters, "status")
    modes = numbers_filter(filters, "payment_mode_id")
    complete = number_filter(filters, "is_complete", 0, 1)
    windows = windows_of(market, filters)
    number = number_filter(filters, "id")
    if number is None:
        found = market.orders.numbers(statuses, kind, windows)
    else:
        order = market.orders.peek(number)
        fitting = order is not None and fits(order, "status", statuses, kind, windows)
        found = [number] if fitting else []
    if modes is None and complete is None:
        return found
    return [
        each
        for each in found
        if (order := market.orders.peek(each))
        and (modes is None or order["payment_mode_id"] in modes)
        and (complete is None or order["is_complete"] == complete)
    ]


def windows_of(market: State, filters: Json) -> Windows:
    """The windows of time that are asked for. Raises FilterError."""
    now, zone = market.now(), market.switches.platform.zone
    asked = {name: window_filter(filters, name, now, zone) for name in ("created", "modified")}
    return {name: window for name, window in asked.items() if window is not None}


def _shown(market: State, number: int) -> Json | None:
    order = market.orders.show(number)
    return shown_order(order, market.switches) if order else None
