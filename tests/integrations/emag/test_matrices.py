"""Status matrices: every pair of statuses, and the windows at their edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from integrations.emag.matrices import (
    RETURN_MOVES,
    OrderStatus,
    ReturnStatus,
    Window,
    order_move,
    return_path,
    window_open,
)

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
A_MOMENT = timedelta(microseconds=1)

# Rows: from; columns: to 0 1 2 3 4 5. A always, 2 within 48 hours, R within the return time and
# 5 days, K by acknowledge, - never (API facts: Orders, Statuses and matrix).
ORDERS = {
    0: "A-222-",
    1: "--K---",
    2: "A-AAA-",
    3: "A--AA-",
    4: "2--2AR",
    5: "------",
}
LETTERS = {
    "A": Window.ALWAYS,
    "2": Window.WITHIN_48_H,
    "R": Window.WITHIN_RETURN_TIME,
    "K": Window.ACKNOWLEDGE,
    "-": None,
}

# Rows: from; columns: to 1..7 (API facts: Returns, Statuses).
RETURNS = {
    1: "-------",
    2: "-yy-y--",
    3: "--y-yy-",
    4: "---y---",
    5: "----y--",
    6: "---y-yy",
    7: "------y",
}


@pytest.mark.parametrize(("frm", "to"), list(product(OrderStatus, OrderStatus)))
def test_orders_move_as_the_matrix_says(frm: OrderStatus, to: OrderStatus) -> None:
    assert order_move(frm, to) is LETTERS[ORDERS[frm][to]]
    assert order_move(int(frm), int(to)) is order_move(frm, to)


@pytest.mark.parametrize(("frm", "to"), [(6, 0), (2, 9), (-1, -1)])
def test_an_order_in_a_status_we_do_not_know_goes_nowhere(frm: int, to: int) -> None:
    assert order_move(frm, to) is None


@pytest.mark.parametrize(("frm", "to"), list(product(ReturnStatus, ReturnStatus)))
def test_returns_move_as_the_matrix_says(frm: ReturnStatus, to: ReturnStatus) -> None:
    assert ((frm, to) in RETURN_MOVES) == (RETURNS[frm][to - 1] == "y")


@pytest.mark.parametrize(
    ("window", "length"),
    [(Window.WITHIN_48_H, timedelta(hours=48)), (Window.WITHIN_RETURN_TIME, timedelta(days=19))],
)
def test_a_window_is_open_to_its_last_instant(window: Window, length: timedelta) -> None:
    def is_open(since: datetime) -> bool:
        return window_open(window, since=since, now=NOW, return_days=14)

    assert is_open(NOW)
    assert is_open(NOW - length)
    assert not is_open(NOW - length - A_MOMENT)


@pytest.mark.parametrize("window", [Window.ALWAYS, Window.ACKNOWLEDGE])
def test_moves_without_a_clock_stay_open(window: Window) -> None:
    assert window_open(window, since=NOW - timedelta(days=999), now=NOW, return_days=30)


@pytest.mark.parametrize("window", list(Window))
def test_with_the_start_unknown_only_emag_can_tell(window: Window) -> None:
    assert window_open(window, since=None, now=NOW, return_days=30)


@pytest.mark.parametrize(
    ("frm", "to", "path"),
    [
        (2, 3, (3,)),
        (2, 5, (5,)),
        (2, 6, (3, 6)),
        (2, 7, (3, 6, 7)),
        (2, 4, (3, 6, 4)),
        (3, 7, (6, 7)),
        (6, 4, (4,)),
        (6, 5, None),
        (6, 3, None),
        (4, 7, None),
        (5, 2, None),
        (7, 6, None),
        (1, 3, None),
        (2, 1, None),
        (2, 99, None),
        (99, 3, None),
    ],
)
def test_a_return_takes_the_shortest_legal_way(
    frm: int, to: int, path: tuple[int, ...] | None
) -> None:
    assert return_path(frm, to) == path


@pytest.mark.parametrize("status", list(ReturnStatus))
def test_a_return_that_is_there_already_has_no_way_to_go(status: ReturnStatus) -> None:
    assert return_path(status, status) == ()


@pytest.mark.parametrize(("frm", "to"), list(product(ReturnStatus, ReturnStatus)))
def test_every_step_of_a_way_is_legal(frm: ReturnStatus, to: ReturnStatus) -> None:
    path = return_path(frm, to)
    steps = list(zip((frm, *(path or ())), path or (), strict=False))
    assert all(step in RETURN_MOVES for step in steps)
    assert path is None or (frm, *path)[-1] == to
