"""Bodies to save: all that was read goes back, changed only where it is said."""

from __future__ import annotations

import copy
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.emag.wire import elements, order_body, read_order, read_return, return_body

BUCHAREST = ZoneInfo("Europe/Bucharest")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
DECIDES = {"id", "type", "status", "emag_id", "request_status", "products", "reason_cancellation"}
others = st.dictionaries(st.text().filter(lambda key: key not in DECIDES), anything, max_size=8)
reasons: st.SearchStrategy[Any] = st.none() | st.just([]) | st.integers(1, 43)
lines = st.lists(
    st.builds(
        lambda other, number, amount: {**other, "id": number, "quantity": amount, "status": 1},
        others,
        st.integers(1, 9) | st.integers(1, 9).map(str),
        st.integers(0, 9) | st.integers(0, 9).map(str),
    )
    | st.none(),
    max_size=4,
)


def text(value: Any) -> str:
    """JSON tells 1 from 1.0, from true, and one order of keys from another."""
    return json.dumps(value)


@given(others, lines, reasons)
def test_an_order_goes_back_as_it_was_read(
    other: dict[str, Any], products: list[Any], reason: Any
) -> None:
    raw = {**other, "id": 5, "type": "3", "status": 2, "products": products}
    raw["reason_cancellation"] = reason
    body = order_body(read_order(raw, BUCHAREST))
    expected = {**raw, "reason_cancellation": None if reason == [] else reason}
    assert text(body) == text(expected)


@given(others, lines, others)
def test_changes_replace_what_they_name_and_nothing_else(
    other: dict[str, Any], products: list[Any], changes: dict[str, Any]
) -> None:
    raw = {**other, "emag_id": 7, "request_status": 3, "products": products}
    changes.pop("lines", None)
    ret = read_return(raw, BUCHAREST)
    body = return_body(ret, **{**changes, "request_status": 6})
    for key, value in body.items():
        expected = 6 if key == "request_status" else changes[key] if key in changes else raw[key]
        assert text(value) == text(expected)
    assert set(body) == set(raw) | set(changes)


@given(others, lines, st.integers(1, 9))
def test_a_change_to_a_line_leaves_the_other_lines_as_they_were(
    other: dict[str, Any], products: list[Any], number: int
) -> None:
    raw = {**other, "id": 5, "type": 3, "status": 4, "products": products}
    before = copy.deepcopy(raw)
    order = read_order(raw, BUCHAREST)
    body = order_body(order, lines={number: {"quantity": 0}}, is_storno=True)
    for sent, read in zip(body["products"], products, strict=True):
        named = read is not None and int(read["id"]) == number
        assert text(sent) == text({**read, "quantity": 0} if named else read)
    assert text(order.raw) == text(before)


@pytest.mark.parametrize(
    ("read", "saved"),
    [(True, False), (1, False), ("1", False), ("true", False), (None, None), (0, 0), ("0", "0")],
)
def test_a_save_is_a_storno_only_where_it_says_so(read: object, saved: object) -> None:
    order = read_order({"id": 5, "type": 3, "status": 4, "is_storno": read}, BUCHAREST)
    assert order_body(order)["is_storno"] == saved
    assert order_body(order, is_storno=True)["is_storno"] is True


@pytest.mark.parametrize(
    ("read", "saved"),
    [
        ({"id": 24, "name": "..."}, 24),
        ({"id": "24", "name": "..."}, 24),
        ("24", 24),
        (24, 24),
        ([], None),
        ({}, None),
        ({"id": None}, None),
        (None, None),
    ],
)
def test_the_cancellation_reason_is_saved_as_an_integer(read: object, saved: int | None) -> None:
    raw = {"id": 5, "type": 3, "status": 0, "reason_cancellation": read}
    assert order_body(read_order(raw, BUCHAREST))["reason_cancellation"] == saved


def test_a_field_that_was_not_read_is_not_made_up() -> None:
    assert order_body(read_order({"id": 5, "type": 3, "status": 2}, BUCHAREST)) == {
        "id": 5,
        "type": 3,
        "status": 2,
    }


def test_cancelling_says_the_status_and_the_reason() -> None:
    raw = {"id": 5, "type": 3, "status": 2, "reason_cancellation": None, "currency": "RON"}
    body = order_body(read_order(raw, BUCHAREST), status=0, reason_cancellation=24)
    assert body == {**raw, "status": 0, "reason_cancellation": 24}


def test_lines_under_numbered_keys_are_changed_where_they_are() -> None:
    products: dict[str, dict[str, Any]] = {
        "0": {"id": 1, "quantity": 2, "status": 1},
        "3": {"id": "2", "quantity": 1, "status": 1},
    }
    order = read_order({"id": 5, "type": 3, "status": 2, "products": products}, BUCHAREST)
    changed = order_body(order, lines={2: {"status": 0}})["products"]
    assert changed == {"0": products["0"], "3": {**products["3"], "status": 0}}


@pytest.mark.parametrize(
    ("entity", "count"),
    [
        ({}, 0),
        ([], 0),
        ({"a": None}, 1),
        ({"a": 1, "b": "x", "c": True}, 3),
        ({"a": [1, 2, [3]], "b": {"c": {"d": 4}}, "e": [], "f": {}}, 4),
    ],
)
def test_elements_are_the_scalars_at_any_depth(entity: object, count: int) -> None:
    assert elements(entity) == count
