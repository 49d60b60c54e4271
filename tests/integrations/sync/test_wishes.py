"""Words and statuses in messages."""

from __future__ import annotations

import pytest

from integrations.sync.wishes import choice, order_status, return_status, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        ("", '""'),
        ("word", '"word"'),
        ("\u0219\x00\n", '"\\u0219\\u0000\\n"'),
        ("x" * 40, f'"{"x" * 40}"'),
        ("x" * 41, f'"{"x" * 37}..."'),
    ],
)
def test_a_value_is_shown_quoted_in_ascii_and_cut(value: str | None, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("status", "text"), [(0, "0 canceled"), (2, "2 in progress"), (9, "9 (unknown)")]
)
def test_an_orders_status_has_a_name(status: int, text: str) -> None:
    assert order_status(status) == text


@pytest.mark.parametrize(
    ("status", "text"), [(6, "6 received"), (0, "0 (unknown)"), (-1, "-1 (unknown)")]
)
def test_a_returns_status_has_a_name(status: int, text: str) -> None:
    assert return_status(status) == text


def test_a_choice_is_sorted() -> None:
    assert choice({"b": 1, "a": 2}) == "a, b"
