"""What the fields of a fault may hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from integrations.sandbox.fault_kinds import KINDS
from integrations.sandbox.spelling import remedy

Allowed = Callable[[Any], bool]


def _whole(least: int, most: int = 10**9) -> Allowed:
    return lambda value: type(value) is int and least <= value <= most


def _number(least: float, most: float, *, above: bool = False) -> Allowed:
    def allowed(value: Any) -> bool:
        if type(value) not in (int, float):
            return False
        return bool((least < value if above else least <= value) and value <= most)

    return allowed


def _or_null(allowed: Allowed) -> Allowed:
    return lambda value: value is None or allowed(value)


def _ids(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(type(each) is int for each in value)


# field: whether it may hold a value, and what it may hold in words
FIELDS: Mapping[str, tuple[Allowed, str]] = {
    "route": (
        lambda value: isinstance(value, str) and value != "",
        "a route's name such as order/save, or a pattern such as order/*",
    ),
    "point": (lambda value: isinstance(value, str), "a point"),
    "kind": (lambda value: isinstance(value, str), "the name of a kind"),
    "times": (_or_null(_whole(1)), "a whole number from 1 on, or null for no end"),
    "seconds": (_number(0, 3600), "a number from 0 to 3600"),
    "effects": (_or_null(_whole(1)), "a whole number from 1 on"),
    "probability": (_or_null(_number(0, 1, above=True)), "a number above 0, at most 1"),
    "every": (_or_null(_whole(1)), "a whole number from 1 on"),
    "for_seconds": (_or_null(_number(0, 86400, above=True)), "a number above 0, at most 86400"),
    "order_ids": (_ids, "a list of order ids such as [480000101]"),
    "return_ids": (_ids, "a list of return ids such as [52000001]"),
    "min_items": (_or_null(_whole(1, 50)), "a whole number from 1 to 50"),
}


def check_fields(given: Mapping[str, Any]) -> None:
    """Raises ValueError, one line with its remedy, for what can't be a fault."""
    for name, value in given.items():
        if name not in FIELDS:
            raise ValueError(f"a fault has no {name!r}; {remedy(name, FIELDS)}")
        allowed, words = FIELDS[name]
        if not allowed(value):
            raise ValueError(f"{name} must be {words}, not {value!r}")
    kind = given["kind"]
    if kind not in KINDS:
        raise ValueError(f"unknown kind of fault {kind!r}; {remedy(kind, KINDS)}")
    if given["point"] not in KINDS[kind]:
        points = " or ".join(KINDS[kind])
        raise ValueError(f"the point of a fault {kind!r} must be {points}, not {given['point']!r}")
    if given.get("every") is not None and given.get("probability") is not None:
        raise ValueError("every and probability exclude each other; leave one of them out")
    if given.get("effects") is not None and kind != "stale":
        raise ValueError(f"effects is for the kind 'stale'; leave it out of {kind!r}")
