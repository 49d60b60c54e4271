"""Faults on demand: what goes wrong, on which requests, at which point, how often.

The pipeline asks `Faults` at each point of a request and knows nothing else about them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from types import EllipsisType
from typing import Any, TypedDict, Unpack

from integrations.sandbox.fault_fields import check_fields
from integrations.sandbox.fault_kinds import KINDS, ROUTES_OF, SAVES, TIMED, Point
from integrations.sandbox.history import History, Moment
from integrations.sandbox.wire import Json

__all__ = ["KINDS", "Fault", "Faults", "Point", "Subject", "fault_of", "shown"]


@dataclass(frozen=True)
class Fault:
    """A fault that waits for its requests; docs/sandbox.md describes each field."""

    route: str
    point: Point
    kind: str
    times: int | None = 1
    seconds: float = 1.0
    effects: int | None = None
    probability: float | None = None
    every: int | None = None
    for_seconds: float | None = None
    order_ids: tuple[int, ...] = ()
    return_ids: tuple[int, ...] = ()
    min_items: int | None = None

    @property
    def least_items(self) -> int:
        """How many items a request must want to save; what is taken in part must be a lot."""
        return self.min_items or int(ROUTES_OF.get(self.kind) == SAVES)


class Conditions(TypedDict, total=False):
    """When and on which requests a fault strikes, and what `stale` looks back to."""

    effects: int
    probability: float
    every: int
    for_seconds: float
    order_ids: Sequence[int]
    return_ids: Sequence[int]
    min_items: int


@dataclass(frozen=True)
class Subject:
    """What a request is about: the ids that it names, and how many items it wants to save."""

    order_ids: frozenset[int] = frozenset()
    return_ids: frozenset[int] = frozenset()
    items: int = 0


def fault_of(given: Mapping[str, Any]) -> Fault:
    """The fault of some fields; `kind` is needed, all else has a default.

    It strikes as early as its kind can, and once, unless probability, every or for_seconds say
    how often. ValueError, one line, for what can't be.
    """
    if "kind" not in given:
        raise ValueError(f"a fault needs a kind; there are {', '.join(KINDS)}")
    often = any(given.get(name) is not None for name in ("probability", "every", "for_seconds"))
    points = KINDS.get(str(given["kind"]), ("before_effect",))
    fields: Json = {"route": "*", "point": points[0], "times": None if often else 1}
    fields.update(given)
    check_fields(fields)
    for name in {"order_ids", "return_ids"} & fields.keys():
        fields[name] = tuple(fields[name])
    return Fault(**fields)


def shown(fault: Fault) -> Json:
    """A fault's fields as JSON, without those that say nothing."""
    fields = asdict(fault)
    if fault.kind not in TIMED or fault.effects is not None:
        del fields["seconds"]
    ids = {name: list(fields[name]) for name in ("order_ids", "return_ids")}
    return {
        name: value
        for name, value in (fields | ids).items()
        if name == "times" or value not in (None, [])
    }


@dataclass
class _Loaded:
    """A fault, and what is left of it. `until` is the monotonic time of its end."""

    fault: Fault
    left: int | None
    until: float | None
    chance: random.Random
    seen: int = field(default=0)

    def concerns(self, point: Point, route: str, subject: Callable[[], Subject]) -> bool:
        """Whether a request is one of those that it waits for."""
        fault = self.fault
        if fault.point != point or not fnmatchcase(route, fault.route):
            return False
        if fault.kind in ROUTES_OF and route not in ROUTES_OF[fault.kind]:
            return False
        return _fits(fault, subject)

    def strikes(self) -> bool:
        """Count a request that it concerns, and tell whether this is one to strike."""
        self.seen += 1
        if self.fault.every is not None and self.seen % self.fault.every:
            return False
        if self.fault.probability is not None:
            return self.chance.random() < self.fault.probability
        return True

    def over(self, now: float) -> bool:
        """Whether it will strike no more."""
        return self.left == 0 or (self.until is not None and now >= self.until)

    def remaining(self, now: float) -> Fault:
        """The fault as it would have to be loaded now to go on like this."""
        rest = None if self.until is None else max(0.001, round(self.until - now, 3))
        return replace(self.fault, times=self.left, for_seconds=rest)


class Faults:
    """The faults that are loaded; by default none.

    `seed` decides which requests a `probability` strikes: the same requests in the same order meet
    the same faults. `history` is there while a fault needs to know how records were.
    """

    def __init__(self, seed: int = 1, moment: Callable[[], Moment] | None = None) -> None:
        self.seed = seed
        self.history: History | None = None
        self._moment = moment or (lambda: Moment(time.monotonic(), 0))
        self._loaded: list[_Loaded] = []
        self._number = 0
        self._subject: Callable[[], Subject] = Subject

    def add(
        self,
        route: str = "*",
        point: Point | None = None,
        kind: str = "reset",
        times: int | EllipsisType | None = ...,
        seconds: float = 1.0,
        **conditions: Unpack[Conditions],
    ) -> Fault:
        """Let requests to a route (a name such as `order/save`, or a pattern) meet a fault.

        It strikes `times` times (None: until it is cleared); once, unless `conditions` say how
        often. Raises ValueError for an unknown kind, or a point at which that kind can't strike.
        """
        given: Json = {"route": route, "kind": kind, "seconds": seconds, **conditions}
        if times is not ...:
            given["times"] = times
        if point is not None:
            given["point"] = point
        fault = fault_of(given)
        self.load([fault])
        return fault

    def load(self, faults: Iterable[Fault]) -> None:
        """Add faults; their `for_seconds` begin now."""
        now = self._moment().seconds
        for fault in faults:
            until = None if fault.for_seconds is None else now + fault.for_seconds
            chance = random.Random(f"{self.seed}/{self._number}")  # noqa: S311 - to be repeatable
            self._loaded.append(_Loaded(fault, fault.times, until, chance))
            self._number += 1
        self._tidy()

    def meet(self, point: Point, route: str, subject: Callable[[], Subject]) -> Fault | None:
        """The fault that strikes a request at a point; `subject` is asked only if it matters."""
        self._subject = subject
        return self.consult(point, route)

    def consult(self, point: Point, route: str) -> Fault | None:
        """The fault that strikes the request at hand, if any; the first that does is the one."""
        if not self._loaded:
            return None
        self._tidy()
        for loaded in self._loaded:
            if loaded.concerns(point, route, self._subject) and loaded.strikes():
                if loaded.left is not None:
                    loaded.left -= 1
                return loaded.fault
        return None

    def waiting(self) -> tuple[Fault, ...]:
        """The faults that may still strike, with what is left of their times and seconds."""
        self._tidy()
        now = self._moment().seconds
        return tuple(loaded.remaining(now) for loaded in self._loaded)

    def clear(self) -> None:
        """Take all faults away."""
        self._loaded.clear()
        self._number = 0
        self._tidy()

    def _tidy(self) -> None:
        """Drop what is over; one that struck a moment ago stays until then, as does its history."""
        now = self._moment().seconds
        self._loaded = [loaded for loaded in self._loaded if not loaded.over(now)]
        if not any(loaded.fault.kind == "stale" for loaded in self._loaded):
            self.history = None
        elif self.history is None:
            self.history = History(self._moment)


def _fits(fault: Fault, subject: Callable[[], Subject]) -> bool:
    if not (fault.order_ids or fault.return_ids or fault.least_items):
        return True
    about = subject()
    if about.items < fault.least_items:
        return False
    if not (fault.order_ids or fault.return_ids):
        return True
    return not about.order_ids.isdisjoint(fault.order_ids) or not about.return_ids.isdisjoint(
        fault.return_ids
    )
