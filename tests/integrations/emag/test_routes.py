"""Routes: what eMAG counts together, and what changes something."""

from __future__ import annotations

import pytest

from integrations.emag import routes
from integrations.emag.routes import Bucket, Family, Route

ALL = [value for value in vars(routes).values() if isinstance(value, Route)]


@pytest.mark.parametrize("route", ALL, ids=lambda route: route.path)
def test_only_order_routes_draw_on_the_orders_budget(route: Route) -> None:
    assert (route.bucket is Bucket.ORDERS) == route.path.startswith("order")


@pytest.mark.parametrize("route", ALL, ids=lambda route: route.path)
def test_a_route_writes_if_it_saves_or_acknowledges(route: Route) -> None:
    assert route.writes == (route.path.endswith("save") or "acknowledge" in route.path)


@pytest.mark.parametrize("route", ALL, ids=lambda route: route.path)
def test_bulk_saves_know_the_word_by_which_messages_name_an_item(route: Route) -> None:
    assert (route.items is not None) == route.path.endswith("save")


def test_attachments_follow_the_orders_rate_and_both_invoice_reads_the_invoices_rate() -> None:
    assert routes.ATTACHMENTS_SAVE.family is Family.ORDERS
    assert {routes.INVOICE_READ.family, routes.CUSTOMER_INVOICE_READ.family} == {Family.INVOICES}
