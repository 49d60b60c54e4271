"""Named points on the ways out and in, where a test can stop it, kill it, or slip something in.

In production nobody listens, and a point costs one comparison.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class Point(StrEnum):
    """Where a worker is: on the way of a batch out, then on that of eMAG's news in, in order."""

    FOLDING = "folding"  # changes are deleted and rows queued, not committed
    FOLDED = "folded"
    CLAIMED = "claimed"
    READ = "read"
    PLANNED = "planned"
    RESERVED = "reserved"  # a slot is reserved, the intent is not committed
    INTENDED = "intended"  # the intent is committed, nothing has left
    ANSWERED = "answered"  # the answer is here, its verdict is not noted
    NOTED = "noted"  # the call is closed, the row's outcome is in memory alone
    CARRIED = "carried"  # every row of the batch has an outcome
    PERSISTED = "persisted"  # in our books, the leases not released
    RELEASED = "released"
    WRITTEN_BACK = "written_back"

    MIRRORED = "mirrored"  # a page with news is in our mirror, the ERP is not told
    BROUGHT = "brought"  # the ERP is told, our mirror owes it still
    STORED = "stored"  # every page of the window is, its cursor has not moved


WAY_IN = frozenset({Point.MIRRORED, Point.BROUGHT, Point.STORED})


Listener = Callable[[Point], Awaitable[None]]

_listeners: list[Listener] = []


async def reached(point: Point) -> None:
    """Let whoever listens know that the way has come to this point."""
    for listener in _listeners:
        await listener(point)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Within the block, this listener hears of every point."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
