"""rma/read and rma/count (API facts, Filters of rma/read)."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.sandbox.bodies import filters_of
from integrations.sandbox.clock import filter_moment
from integrations.sandbox.exchange import Answer, Ask, success
from integrations.sandbox.filters import (
    FilterError,
    counted,
    number_filter,
    numbers_filter,
    page_of,
    refused_null,
)
from integrations.sandbox.order_reads import page_shift
from integrations.sandbox.rendering import shown_return
from integrations.sandbox.shelf import Windows, fits
from integrations.sandbox.state import State
from integrations.sandbox.wire import Json

# Local texts before and after every other
FIRST, LAST = "", "9999"


def read_returns(ask: Ask) -> Answer:
    """A page of returns, newest first."""
    market, filters = ask.market, filters_of(ask)
    if refused := refused_null(ask):
        return refused
    try:
        page = page_of(filters, market.switches)
        rows = matching(market, filters)
    except FilterError as bad:
        return bad.answer(ask)
    numbers = page.capped(market.switches.page_cap).of(rows, page_shift(market, "returns"))
    ask.record.items = len(numbers)
    ask.record.return_ids.extend(numbers)
    found = (market.returns.show(number) for number in numbers)
    return success([shown_return(rma, market.switches) for rma in found if rma])


def count_returns(ask: Ask) -> Answer:
    """How many returns match; the same answer as order/count."""
    market, filters = ask.market, filters_of(ask)
    if refused := refused_null(ask):
        return refused
    try:
        page = page_of(filters, market.switches)
        rows = matching(market, filters)
    except FilterError as bad:
        return bad.answer(ask)
    return success(counted(len(rows), page, as_text=market.switches.count_strings))


def matching(market: State, filters: Json) -> Sequence[int]:
    """Ids of the returns that all known filters let through, newest first. Raises FilterError."""
    kind = number_filter(filters, "type", 2, 3)
    kind = market.switches.rma_read_default_type if kind is None else kind
    if market.switches.rma_status_list:
        statuses = numbers_filter(filters, "request_status")
    else:
        status = number_filter(filters, "request_status", 1, 7)
        statuses = None if status is None else frozenset({status})
    number = number_filter(filters, "emag_id")
    order_id = number_filter(filters, "order_id")
    product_emag_id = number_filter(filters, "product_emag_id")
    product_id = filters.get("product_id")
    windows = windows_of(filters)
    if number is None and order_id is None:
        rows = market.returns.numbers(statuses, kind, windows)
    else:
        named = market.returns_of.get(order_id or 0, ()) if number is None else (number,)
        rows = [
            each
            for each in sorted(named, reverse=True)
            if (rma := market.returns.peek(each))
            and fits(rma, "request_status", statuses, kind, windows)
            and (order_id is None or rma["order_id"] == str(order_id))
        ]
    if product_id is None and product_emag_id is None:
        return rows
    return [
        each
        for each in rows
        if (rma := market.returns.show(each))
        and _has_line(rma, "product_id", product_id)
        and _has_line(rma, "product_emag_id", product_emag_id)
    ]


def windows_of(filters: Json) -> Windows:
    """The window of placement dates that is asked for, open where no end is said."""
    start, end = _date(filters, "date_start"), _date(filters, "date_end")
    return {"date": (start or FIRST, end or LAST)} if start or end else {}


def _has_line(rma: Json, key: str, value: object) -> bool:
    return value is None or any(str(line[key]) == str(value) for line in rma["products"])


def _date(filters: Json, name: str) -> str | None:
    value = filters.get(name)
    if value is None:
        return None
    moment = filter_moment(value)
    if moment is None:
        raise FilterError(f"ERROR: Invalid {name}")
    return str(moment)
