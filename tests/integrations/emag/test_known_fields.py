"""Fields that nobody foresaw are found wherever eMAG puts them; what is known never is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrations.emag.known_fields import unknown_fields
from integrations.emag.wire import Raw, rows

ORDER: Raw = {
    "id": 480000101,
    "status": 4,
    "customer": {"name": "Ana Exemplu"},
    "products": [{"id": 1, "product_id": "77"}, {"id": 2, "product_id": "78"}],
    "details": [],
    "reason_cancellation": None,
}


def with_field(**fields: Any) -> list[Raw]:
    return [{**ORDER, **fields}]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, {}),
        ({"promise": {"level": 2}}, {"promise": 1}),
        ({"customer": {"name": "Ana Exemplu", "loyalty": 3}}, {"customer.loyalty": 1}),
        ({"products": [{"id": 1, "badge": "x"}, {"id": 2, "badge": "y"}]}, {"products.badge": 2}),
        ({"products": {"0": {"id": 1, "badge": "x"}}}, {"products.badge": 1}),
        (
            {"products": [{"recycle_warranties": [{"eco": 1}]}]},
            {"products.recycle_warranties.eco": 1},
        ),
        ({"details": {"locker_id": 5, "door": 2}}, {"details.door": 1}),
        ({"details": {}}, {}),
        ({"details": None}, {}),
        ({"customer": "Ana Exemplu"}, {}),
        ({"products": [None, 5, ["nothing"]]}, {}),
    ],
    ids=str,
)
def test_a_field_is_named_by_where_it_stands(fields: dict[str, Any], found: dict[str, int]) -> None:
    assert unknown_fields("order/read", with_field(**fields)) == found


def test_a_field_is_counted_over_the_page() -> None:
    page = [{**ORDER, "promise": number} for number in range(100)]

    assert unknown_fields("order/read", page) == {"promise": 100}


def test_of_a_route_that_is_not_listed_nothing_is_unknown() -> None:
    assert unknown_fields("locality/read", [{"anything": 1}]) == {}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("order/read", "order_read"),
        ("rma/read", "rma_read"),
        ("rma/read", "rma_read_2017_official_shape"),
        ("invoice/read", "invoice_read"),
        ("customer-invoice/read", "customer_invoice_read"),
    ],
)
def test_emags_own_samples_hold_nothing_unknown(
    path: str, name: str, sample: Callable[[str], Any]
) -> None:
    page = rows(sample(name)["results"])

    assert page
    assert unknown_fields(path, page) == {}
