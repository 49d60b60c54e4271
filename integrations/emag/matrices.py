"""Which status changes eMAG allows, and for how long (API facts: the two status matrices)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final


class OrderStatus(IntEnum):
    """The statuses of an order."""

    CANCELED = 0
    NEW = 1
    IN_PROGRESS = 2
    PREPARED = 3
    FINALIZED = 4
    RETURNED = 5


class ReturnStatus(IntEnum):
    """The `request_status` of a return; sellers never set INCOMPLETE."""

    INCOMPLETE = 1
    NEW = 2
    ACKNOWLEDGED = 3
    REFUSED = 4
    CANCELED = 5
    RECEIVED = 6
    FINALIZED = 7


class Window(Enum):
    """When an order's move is allowed; the two clocks count from the order's finalization."""

    ALWAYS = "always"
    WITHIN_48_H = "within 48 hours"
    WITHIN_RETURN_TIME = "within the return time and 5 days"
    ACKNOWLEDGE = "by order/acknowledge only"


def _order_moves() -> dict[tuple[OrderStatus, OrderStatus], Window]:
    canceled, new, progress, prepared, finalized, returned = OrderStatus
    return {
        (new, progress): Window.ACKNOWLEDGE,
        (progress, progress): Window.ALWAYS,
        (progress, prepared): Window.ALWAYS,
        (progress, finalized): Window.ALWAYS,
        (progress, canceled): Window.ALWAYS,
        (prepared, prepared): Window.ALWAYS,
        (prepared, finalized): Window.ALWAYS,
        (prepared, canceled): Window.ALWAYS,
        (finalized, prepared): Window.WITHIN_48_H,
        (finalized, finalized): Window.ALWAYS,
        (finalized, canceled): Window.WITHIN_48_H,
        (finalized, returned): Window.WITHIN_RETURN_TIME,
        (canceled, progress): Window.WITHIN_48_H,
        (canceled, prepared): Window.WITHIN_48_H,
        (canceled, finalized): Window.WITHIN_48_H,
        (canceled, canceled): Window.ALWAYS,
    }


def _return_moves() -> frozenset[tuple[ReturnStatus, ReturnStatus]]:
    _, new, acknowledged, refused, canceled, received, finalized = ReturnStatus
    return frozenset(
        {
            (new, new),
            (new, acknowledged),
            (new, canceled),
            (acknowledged, acknowledged),
            (acknowledged, canceled),
            (acknowledged, received),
            (refused, refused),
            (canceled, canceled),
            (received, refused),
            (received, received),
            (received, finalized),
            (finalized, finalized),
        }
    )


ORDER_MOVES: Final[Mapping[tuple[OrderStatus, OrderStatus], Window]] = MappingProxyType(
    _order_moves()
)
RETURN_MOVES: Final = _return_moves()

_BY_NUMBER: Final = {(int(frm), int(to)): window for (frm, to), window in ORDER_MOVES.items()}

_48_HOURS: Final = timedelta(hours=48)
_DAYS_AFTER_RETURN_TIME: Final = 5


def order_move(frm: int, to: int) -> Window | None:
    """When an order may go from one status to another; None if never."""
    return _BY_NUMBER.get((frm, to))


def window_open(window: Window, *, since: datetime | None, now: datetime, return_days: int) -> bool:
    """Whether a move is still allowed `now`, for an order finalized at `since` (both aware).

    The last instant counts. With `since` unknown only eMAG can tell, so the window is open.
    """
    length = {
        Window.WITHIN_48_H: _48_HOURS,
        Window.WITHIN_RETURN_TIME: timedelta(days=return_days + _DAYS_AFTER_RETURN_TIME),
    }.get(window)
    return length is None or since is None or now - since <= length


def return_path(frm: int, to: int) -> tuple[ReturnStatus, ...] | None:
    """The shortest legal way of a return to a status, without its start.

    Empty if the return is there already; None if eMAG allows no way.
    """
    paths: deque[tuple[ReturnStatus, ...]] = deque([()])
    tried: set[int] = set()
    while paths:
        path = paths.popleft()
        here = path[-1] if path else frm
        if here == to:
            return path
        if here not in tried:
            tried.add(here)
            paths.extend((*path, after) for before, after in RETURN_MOVES if before == here)
    return None
