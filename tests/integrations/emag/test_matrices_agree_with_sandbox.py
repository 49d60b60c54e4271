"""Our matrices and reasons against the sandbox's, which were written from the same facts alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from integrations.emag import matrices, reasons
from integrations.emag.matrices import OrderStatus, ReturnStatus, Window, order_move, window_open
from integrations.sandbox import matrices as sandbox
from integrations.sandbox import reasons as sandbox_reasons

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)


def test_both_know_the_same_statuses() -> None:
    assert {s.name: s.value for s in OrderStatus} == {s.name: s.value for s in sandbox.OrderStatus}
    assert {s.name: s.value for s in ReturnStatus} == {
        s.name: s.value for s in sandbox.ReturnStatus
    }


@pytest.mark.parametrize(("frm", "to"), list(product(OrderStatus, OrderStatus)))
def test_both_allow_the_same_order_saves(frm: OrderStatus, to: OrderStatus) -> None:
    ours = order_move(frm, to)
    by_save = ours is not None and ours is not Window.ACKNOWLEDGE
    assert by_save == (to in sandbox.ORDER_MOVES[frm])


@pytest.mark.parametrize(
    ("frm", "to"), [pair for pair in product(OrderStatus, OrderStatus) if pair != (1, 2)]
)
@pytest.mark.parametrize("return_days", [0, 14, 30])
def test_both_close_a_window_after_the_same_time(
    frm: OrderStatus, to: OrderStatus, return_days: int
) -> None:
    ours = order_move(frm, to)
    if ours is None:
        return
    length = sandbox.length(sandbox.ORDER_MOVES[frm][to], return_days)

    def is_open(age: timedelta) -> bool:
        return window_open(ours, since=NOW - age, now=NOW, return_days=return_days)

    assert is_open(length or timedelta(days=9999))
    assert length is None or not is_open(length + timedelta(seconds=1))


@pytest.mark.parametrize(("frm", "to"), list(product(ReturnStatus, ReturnStatus)))
def test_both_allow_the_same_return_saves(frm: ReturnStatus, to: ReturnStatus) -> None:
    assert ((frm, to) in matrices.RETURN_MOVES) == (to in sandbox.RETURN_MOVES[frm])


def test_both_know_the_same_cancellation_reasons() -> None:
    assert set(reasons.CANCELLATION_REASONS) == set(sandbox_reasons.CANCELLATION_REASONS)
