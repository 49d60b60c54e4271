"""The same question is answered from memory until anything has changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.sandbox.shelf import Shelf

WINDOW = {"modified": ("2026-03-01 00:00:00", "2026-03-31 00:00:00")}


def order(number: int, status: int = 1, modified: str = "2026-03-10 12:00:00") -> dict[str, object]:
    return {"id": number, "status": status, "type": 3, "modified": modified}


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf("id", "status", complete=lambda record: record, times=["modified"])
    for number in (1, 2, 3):
        shelf.put(order(number))
    for number in range(10, 20):
        shelf.put(order(number, status=4, modified="2025-01-01 00:00:00"))
    return shelf


def modified_in_april(shelf: Shelf) -> None:
    record = shelf.get(2)
    assert record
    record["modified"] = "2026-04-01 12:00:00"


def finalized(shelf: Shelf) -> None:
    record = shelf.get(2)
    assert record
    shelf.move(record, 4)


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (lambda _: None, [3, 2, 1]),
        (lambda shelf: shelf.show(2), [3, 2, 1]),
        (modified_in_april, [3, 1]),
        (finalized, [3, 1]),
        (lambda shelf: shelf.put(order(4)), [4, 3, 2, 1]),
        (lambda shelf: shelf.clear(), []),
    ],
    ids=["nothing", "shown", "modified", "moved", "put", "cleared"],
)
@pytest.mark.parametrize("questions", [1, 20])
def test_a_listing_that_was_asked_for_before_shows_what_has_changed_since(
    shelf: Shelf, change: Callable[[Shelf], object], left: list[int], questions: int
) -> None:
    for day in range(questions):
        shelf.numbers(
            [1], 3, {"modified": (f"2026-02-{day + 1:02} 00:00:00", WINDOW["modified"][1])}
        )
    assert shelf.numbers([1], 3, WINDOW) == [3, 2, 1]
    change(shelf)
    assert shelf.numbers([1], 3, WINDOW) == left
