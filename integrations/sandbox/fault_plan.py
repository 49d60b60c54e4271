"""Faults and switches as JSON: what a file for `--faults` and the admin routes hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from integrations.sandbox.fault_kinds import ROUTES_OF, SAVES, TIMED
from integrations.sandbox.faults import Fault, fault_of
from integrations.sandbox.routes import NUMBERED, ROUTES
from integrations.sandbox.spelling import remedy
from integrations.sandbox.switches import Switches, changed
from integrations.sandbox.wire import Json

ROUTE_NAMES = (*ROUTES, *(route.name for _, route in NUMBERED))
PARTS = ("faults", "switches")


class PlanError(ValueError):
    """A mistake in a plan, in one line that names the entry and the remedy."""


@dataclass(frozen=True)
class Plan:
    """Faults to load, and switches to set."""

    faults: tuple[Fault, ...] = ()
    switches: Mapping[str, Any] = field(default_factory=dict)


def read_plan(text: bytes) -> Plan:
    """The plan of a JSON text: `{"faults": [...], "switches": {...}}`, a list of faults, or one.

    Raises PlanError for anything else.
    """
    try:
        given = json.loads(text)
    except ValueError as problem:
        raise PlanError(f"this is not JSON: {problem}") from None
    if isinstance(given, list):
        return Plan(_faults(given))
    if not isinstance(given, dict):
        raise PlanError('write {"faults": [...], "switches": {...}}, or a list of faults')
    return Plan((_entry("the fault", given),)) if "kind" in given else _document(given)


def _document(given: Json) -> Plan:
    for name in given:
        if name not in PARTS:
            raise PlanError(f"no {name!r} at the top; {remedy(name, PARTS)}")
    faults, switches = given.get("faults", []), given.get("switches", {})
    if not isinstance(faults, list):
        raise PlanError("faults must be a list; put [ ] around it")
    if not isinstance(switches, dict):
        raise PlanError('switches must be an object such as {"page_shift": true}')
    try:
        changed(Switches(), switches)
    except ValueError as problem:
        raise PlanError(f"switches: {problem}") from None
    return Plan(_faults(faults), switches)


def _faults(given: list[Any]) -> tuple[Fault, ...]:
    return tuple(_entry(f"faults[{place}]", each) for place, each in enumerate(given))


def _entry(called: str, given: Any) -> Fault:
    if not isinstance(given, dict):
        raise PlanError(f'{called}: a fault must be an object such as {{"kind": "reset"}}')
    try:
        fault = fault_of(given)
        _check_use(fault, given)
    except ValueError as problem:
        raise PlanError(f"{called}: {problem}") from None
    return fault


def _check_use(fault: Fault, given: Json) -> None:
    """Refuse what could never strike, or would be ignored."""
    routes = [name for name in ROUTE_NAMES if fnmatchcase(name, fault.route)]
    if not routes:
        raise PlanError(f"no route is like {fault.route!r}; {remedy(fault.route, ROUTE_NAMES)}")
    possible = ROUTES_OF.get(fault.kind, ROUTE_NAMES)
    if not any(name in possible for name in routes):
        raise PlanError(f"{fault.kind!r} strikes only {', '.join(possible)}, not {fault.route!r}")
    if fault.min_items and not any(name in SAVES and name in possible for name in routes):
        raise PlanError(f"min_items is for saves, {', '.join(SAVES)}; leave it out")
    if "seconds" in given and fault.kind not in TIMED:
        raise PlanError(
            f"seconds means nothing to {fault.kind!r}; for how long it strikes is for_seconds"
        )
    if "seconds" in given and fault.effects is not None:
        raise PlanError("seconds and effects exclude each other; leave one of them out")
