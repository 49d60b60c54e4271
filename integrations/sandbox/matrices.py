"""Which status may follow which (API facts, Statuses and matrix; RMA Statuses)."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum, IntEnum


class OrderStatus(IntEnum):
    """What an order can be."""

    CANCELED = 0
    NEW = 1
    IN_PROGRESS = 2
    PREPARED = 3
    FINALIZED = 4
    RETURNED = 5


class ReturnStatus(IntEnum):
    """What a return (RMA) can be."""

    INCOMPLETE = 1
    NEW = 2
    ACKNOWLEDGED = 3
    REFUSED = 4
    CANCELED = 5
    RECEIVED = 6
    FINALIZED = 7


class Within(Enum):
    """How long a move stays open, counted from the order's finalization (else its last change)."""

    ALWAYS = "always"
    TWO_DAYS = "48 hours"
    RETURN_TIME = "return time and 5 days"


_ANY, _48H, _RT5 = Within.ALWAYS, Within.TWO_DAYS, Within.RETURN_TIME

# What a seller may ask of order/save: {from: {to: window}}. A pair that is absent is refused.
# A new order leaves 1 only by order/acknowledge.
ORDER_MOVES: dict[int, dict[int, Within]] = {
    1: {},
    2: {2: _ANY, 3: _ANY, 4: _ANY, 0: _ANY},
    3: {3: _ANY, 4: _ANY, 0: _ANY},
    4: {3: _48H, 4: _ANY, 0: _48H, 5: _RT5},
    0: {2: _48H, 3: _48H, 4: _48H, 0: _ANY},
    5: {},
}

# What a seller may ask of rma/save: {from: statuses}. Incomplete returns are the customer's.
RETURN_MOVES: dict[int, frozenset[int]] = {
    1: frozenset(),
    2: frozenset({2, 3, 5}),
    3: frozenset({3, 5, 6}),
    4: frozenset({4}),
    5: frozenset({5}),
    6: frozenset({4, 6, 7}),
    7: frozenset({7}),
}


def length(window: Within, return_window_days: int) -> timedelta | None:
    """A window's length; None is without end. RT is the return time that the seller grants."""
    if window is Within.TWO_DAYS:
        return timedelta(hours=48)
    if window is Within.RETURN_TIME:
        return timedelta(days=return_window_days + 5)
    return None
