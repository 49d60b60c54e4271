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
from integrations.sandbox.market import Market
from integrations.sandbox.rendering import shown_order
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
        page = page_of(filters, clip=market.switches.clip_page_size)
        rows = matching(market, filters, market.switches.order_read_default_type)
    except FilterError as bad:
        return bad.answer(ask)
    if not FILTERS & filters.keys():
        rows = rows[:WITHOUT_FILTERS]
    numbers = page.of(rows, page_shift(market))
    ask.record.items = len(numbers)
    ask.record.order_ids.extend(numbers)
    return success([_shown(market, number) for number in numbers])


def count_orders(ask: Ask) -> Answer:
    """How many orders match, and how many pages that makes."""
    market, filters = ask.market, filters_of(ask)
    if refused := refused_null(ask):
        return refused
    try:
        page = page_of(filters, clip=market.switches.clip_page_size)
        rows = matching(market, filters, market.switches.order_count_default_type)
    except FilterError as bad:
        return bad.answer(ask)
    return success(counted(len(rows), page, as_text=market.switches.count_strings))


def page_shift(market: Market) -> int:
    """By how many places rows have moved: with the switch on, to and fro at every read."""
    market.reads += 1
    return (market.reads + 1) % 2 if market.switches.page_shift else 0


def matching(market: Market, filters: Json, default_type: int | None) -> Sequence[int]:
    """Ids of the orders that all known filters let through, newest first. Raises FilterError."""
    kind = number_filter(filters, "type", 2, 3)
    kind = default_type if kind is None else kind
    statuses = numbers_filter(filters, "status")
    modes = numbers_filter(filters, "payment_mode_id")
    complete = number_filter(filters, "is_complete", 0, 1)
    created = window_filter(filters, "created", market.now())
    modified = window_filter(filters, "modified", market.now())
    number = number_filter(filters, "id")
    if number is not None:
        found = [number] if _is(market, number, statuses, kind) else []
    else:
        found = market.orders.numbers(statuses, kind)
    if modes is None and complete is None and created is None and modified is None:
        return found
    kept = []
    for each in found:
        order = market.orders.get(each)
        if (
            order is not None
            and (modes is None or order["payment_mode_id"] in modes)
            and (complete is None or order["is_complete"] == complete)
            and (created is None or created[0] <= order["created"] <= created[1])
            and (modified is None or modified[0] <= order["modified"] <= modified[1])
        ):
            kept.append(each)
    return kept


def _is(market: Market, number: int, statuses: frozenset[int] | None, kind: int | None) -> bool:
    order = market.orders.get(number)
    return (
        order is not None
        and (statuses is None or order["status"] in statuses)
        and (kind is None or order["type"] == kind)
    )


def _shown(market: Market, number: int) -> Json | None:
    order = market.orders.get(number)
    return shown_order(order, market.switches) if order else None
