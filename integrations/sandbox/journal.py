"""The record of every request, every effect, and everything asked that eMAG forbids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Rule = Literal["matrix", "window", "rule", "shape", "filter", "limit", "route"]


@dataclass
class RequestRecord:
    """One request as it arrived and what became of it.

    `at` is wall time (UTC), `monotonic` seconds for measuring rates. `status` is None while the
    request runs, and for good when no answer came. `fault` is the kind of the injected fault that
    it met, and `fault_point` where; both are joined by commas when it met several.
    """

    number: int
    at: datetime
    monotonic: float
    login: str
    bucket: str
    route: str
    method: str
    path: str
    status: int | None = None
    ok: bool = False
    throttled: bool = False
    fault: str | None = None
    fault_point: str | None = None
    items: int = 0
    order_ids: list[int] = field(default_factory=list)
    return_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Effect:
    """One change of the marketplace's state.

    `request` is the number of the request that caused it, None when a customer, a courier or eMAG
    itself did. `id` is an order's or a return's id, `line` the line within it.
    """

    request: int | None
    route: str
    kind: str
    id: int
    line: int | None
    from_: Any
    to: Any
    by: str
    at: datetime


@dataclass(frozen=True)
class Violation:
    """Something that a client asked although eMAG's published rules forbid it."""

    request: int
    route: str
    rule: Rule
    text: str
    id: int | None
    at: datetime


class Journal:
    """Requests, effects and violations since the start or the last reset.

    `changes` counts the effects since the start, forgotten ones too.
    """

    def __init__(self) -> None:
        self.requests: list[RequestRecord] = []
        self.effects: list[Effect] = []
        self.changes = 0
        self._violations: list[Violation] = []

    def opened(self, **known: Any) -> RequestRecord:
        """Write down a request at its arrival."""
        record = RequestRecord(number=len(self.requests) + 1, **known)
        self.requests.append(record)
        return record

    def met_fault(self, request: RequestRecord, kind: str, point: str) -> None:
        """Write down that a request met a fault."""
        request.fault = f"{request.fault}, {kind}" if request.fault else kind
        request.fault_point = f"{request.fault_point}, {point}" if request.fault_point else point

    def effect(
        self,
        kind: str,
        about: int,
        from_: Any,
        to: Any,
        *,
        at: datetime,
        request: RequestRecord | None = None,
        by: str = "seller",
        line: int | None = None,
    ) -> None:
        """Write down a change of state."""
        self.changes += 1
        number, route = (request.number, request.route) if request else (None, "sandbox")
        self.effects.append(Effect(number, route, kind, about, line, from_, to, by, at))

    def violated(
        self,
        request: RequestRecord,
        rule: Rule,
        text: str,
        *,
        at: datetime,
        about: int | None = None,
    ) -> None:
        """Write down an illegal ask."""
        self._violations.append(Violation(request.number, request.route, rule, text, about, at))

    def violations(self) -> list[Violation]:
        """Every illegal ask: refused by matrix, window or rule, over a limit, to no route."""
        return list(self._violations)

    def effects_of(
        self, kind: str | None = None, about: int | None = None, by: str | None = None
    ) -> list[Effect]:
        """Effects by kind, order or return id, and author, oldest first."""
        return [
            effect
            for effect in self.effects
            if (kind is None or effect.kind == kind)
            and (about is None or effect.id == about)
            and (by is None or effect.by == by)
        ]

    def requests_to(self, route: str) -> list[RequestRecord]:
        """Requests to one route, oldest first."""
        return [record for record in self.requests if record.route == route]

    def repeated(self) -> Iterator[Effect]:
        """Effects of sellers that change the same thing in the same way as an earlier one."""
        seen: set[str] = set()
        for effect in self.effects_of(by="seller"):
            key = repr((effect.kind, effect.id, effect.line, effect.from_, effect.to))
            if key in seen:
                yield effect
            seen.add(key)

    def clear(self) -> None:
        """Forget everything."""
        self.requests.clear()
        self.effects.clear()
        self._violations.clear()
