"""The marketplace's routes. What is not here does not exist (API facts, Methods)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from integrations.sandbox.acknowledging import acknowledge, unlock_courier
from integrations.sandbox.attaching import read_attachments, save_attachments
from integrations.sandbox.exchange import Answer, Ask
from integrations.sandbox.invoicing import (
    read_categories,
    read_customer_invoices,
    read_invoices,
)
from integrations.sandbox.limits import Bucket
from integrations.sandbox.order_reads import count_orders, read_orders
from integrations.sandbox.order_saves import save_orders
from integrations.sandbox.return_reads import count_returns, read_returns
from integrations.sandbox.return_saves import save_returns

_POST = frozenset({"POST"})
_GET_TOO = frozenset({"GET", "POST"})


@dataclass(frozen=True)
class Route:
    """A route by its name, the methods it answers, and what it does."""

    name: str
    handle: Callable[[Ask], Answer]
    methods: frozenset[str] = _POST

    @property
    def bucket(self) -> Bucket:
        """Which limit it counts against: everything about orders has its own."""
        return "orders" if self.name.startswith("order") else "other"


ROUTES: dict[str, Route] = {
    route.name: route
    for route in (
        Route("order/read", read_orders),
        Route("order/save", save_orders),
        Route("order/count", count_orders, _GET_TOO),
        Route("order/attachments/save", save_attachments),
        Route("order/attachments/read", read_attachments),
        Route("rma/read", read_returns, _GET_TOO),
        Route("rma/save", save_returns),
        Route("rma/count", count_returns, _GET_TOO),
        Route("invoice/categories", read_categories),
        Route("invoice/read", read_invoices),
        Route("customer-invoice/read", read_customer_invoices),
    )
}
# Routes with an id in their path, known in journal and faults by the name without it
NUMBERED: tuple[tuple[re.Pattern[str], Route], ...] = (
    (re.compile(r"order/acknowledge/(\d{1,18})"), Route("order/acknowledge", acknowledge)),
    (re.compile(r"order/(\d{1,18})/unlock-courier"), Route("order/unlock-courier", unlock_courier)),
)


def find(method: str, path: str) -> tuple[Route, int | None] | None:
    """The route of a path below `/api-3/`, and the id inside that path; None for no route."""
    route, number = ROUTES.get(path), None
    if route is None:
        for pattern, candidate in NUMBERED:
            if match := pattern.fullmatch(path):
                route, number = candidate, int(match[1])
    return (route, number) if route and method in route.methods else None
