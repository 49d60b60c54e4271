"""Faults on demand: what goes wrong, on which route, before or after the effect, how often.

The pipeline consults `Faults` at two named points and knows nothing else about them, so a new kind
of fault is a new row of `KINDS` and a case where the pipeline acts on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

Point = Literal["before_effect", "after_effect"]

# kind: the points at which it may strike; the first is the default
KINDS: dict[str, tuple[Point, ...]] = {
    "reset": ("before_effect", "after_effect"),  # connection closed without an answer
    "http_502_html": ("before_effect", "after_effect"),  # a gateway's page instead of JSON
    "locked": ("before_effect",),  # "Resource locked for processing"
    "throttle": ("before_effect",),  # 429 although below the limit
    "forbidden": ("before_effect",),  # 403 although the credentials are right
    "slow": ("before_effect", "after_effect"),  # `seconds` of waiting
    "cut_body": ("after_effect",),  # half of the JSON
    "error_although_applied": ("after_effect",),  # isError true, yet all was done
}


@dataclass(frozen=True)
class Fault:
    """A fault that waits for its request. `times` None strikes until it is cleared."""

    route: str
    point: Point
    kind: str
    times: int | None = 1
    seconds: float = 1.0


class Faults:
    """The faults that are waiting; by default none."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(
        self,
        route: str = "*",
        point: Point | None = None,
        kind: str = "reset",
        times: int | None = 1,
        seconds: float = 1.0,
    ) -> Fault:
        """Let requests to a route (a name such as `order/save`, or a pattern) meet a fault.

        Raises ValueError for an unknown kind, or a point at which that kind can't strike.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; there are {', '.join(KINDS)}")
        point = point or KINDS[kind][0]
        if point not in KINDS[kind]:
            raise ValueError(f"fault {kind!r} strikes at {' or '.join(KINDS[kind])}, not {point!r}")
        if times is not None and times < 1:
            raise ValueError("times must be at least 1, or null for no end")
        if not 0 <= seconds <= 3600:
            raise ValueError("seconds must be between 0 and 3600")
        fault = Fault(route, point, kind, times, seconds)
        self._waiting.append(fault)
        return fault

    def consult(self, point: Point, route: str) -> Fault | None:
        """The fault that strikes a request at a point, if any; it is used up by that."""
        for place, fault in enumerate(self._waiting):
            if fault.point == point and fnmatchcase(route, fault.route):
                if fault.times is not None:
                    left = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                    self._waiting[place : place + 1] = left
                return fault
        return None

    def waiting(self) -> Iterable[Fault]:
        """The faults that have not struck as often as they should."""
        return tuple(self._waiting)

    def clear(self) -> None:
        """Take all faults away."""
        self._waiting.clear()
