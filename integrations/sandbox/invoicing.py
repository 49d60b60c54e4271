"""Invoices that eMAG issued, read only (API facts, Invoices issued by eMAG)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from integrations.sandbox.bodies import filters_of
from integrations.sandbox.clock import filter_day
from integrations.sandbox.exchange import Answer, Ask, success, success_at_root
from integrations.sandbox.filters import (
    LARGEST_INVOICE_PAGE,
    FilterError,
    number_filter,
    page_of,
    refused_null,
)
from integrations.sandbox.wire import Json

CATEGORIES: dict[str, str] = {
    "FC": "Commission",
    "FCA": "Canceled Commission",
    "FCSA": "Canceled Commission storno",
    "FCD": "Commission discount",
    "FTA": "Canceled Transport",
}


def read_categories(ask: Ask) -> Answer:
    """The kinds of invoices that eMAG issues to sellers."""
    return success([{"category": key, "name": name} for key, name in CATEGORIES.items()])


def read_invoices(ask: Ask) -> Answer:
    """Invoices from eMAG to the seller."""
    return _read(ask, ask.market.invoices)


def read_customer_invoices(ask: Ask) -> Answer:
    """Invoices that eMAG issued to customers in the seller's name."""
    return _read(ask, ask.market.customer_invoices)


def _read(ask: Ask, invoices: Sequence[Json]) -> Answer:
    filters, switches = filters_of(ask), ask.market.switches
    if refused := refused_null(ask):
        return refused
    try:
        page = page_of(filters, switches, largest=LARGEST_INVOICE_PAGE)
        places = _matching(filters, invoices)
    except FilterError as bad:
        return bad.answer(ask)
    shown = [invoices[place] for place in page.capped(switches.page_cap).of(places)]
    ask.record.items = len(shown)
    results = {"total_results": len(places), "invoices": shown}
    return success_at_root(results) if switches.invoices_at_root else success(results)


def _matching(filters: Json, invoices: Sequence[Json]) -> Sequence[int]:
    order_id = number_filter(filters, "order_id")
    category, number = filters.get("category"), filters.get("number")
    start, end = _day(filters, "date_start"), _day(filters, "date_end")
    return [
        place
        for place, invoice in enumerate(invoices)
        if (category is None or invoice["category"] == category)
        and (number is None or invoice["number"] == number)
        and (order_id is None or str(invoice.get("order_id", order_id)) == str(order_id))
        and (start is None or invoice["date"] >= start.isoformat())
        and (end is None or invoice["date"] <= end.isoformat())
    ]


def _day(filters: Json, name: str) -> date | None:
    value = filters.get(name)
    day = filter_day(value)
    if value is not None and day is None:
        raise FilterError(f"ERROR: Invalid {name}")
    return day
