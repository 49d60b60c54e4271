"""Reading what a client sent: JSON, or PHP-style form fields (API facts, Body shape)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from integrations.sandbox.exchange import Ask
from integrations.sandbox.wire import Json, loads

MOST_ELEMENTS = 4000
MOST_ENTITIES = 50
NOT_A_LIST = "Expected list of arrays, single array received"

_KEY_PART = re.compile(r"\[([^\]]*)\]")


def json_body(text: bytes) -> Any:
    """The body's value, `{}` for an empty body; ValueError when it is not JSON."""
    return loads(text) if text.strip() else {}


def form_body(text: bytes) -> Any:
    """The nested value of a urlencoded form; ValueError when it is not text."""
    return nested(parse_qsl(text.decode(), keep_blank_values=True))


def nested(pairs: Iterable[tuple[str, str]]) -> Json:
    """Nest `a[b][0]=x` as PHP does; keys 0, 1, 2... in order make a list."""
    root: Json = {}
    for name, value in pairs:
        head, bracket, _ = name.partition("[")
        parts = [head, *_KEY_PART.findall(name)] if bracket else [name]
        here = root
        for part in parts[:-1]:
            below = here.setdefault(part or str(len(here)), {})
            if not isinstance(below, dict):
                break
            here = below
        else:
            here[parts[-1] or str(len(here))] = value
    return {key: _as_lists(value) for key, value in root.items()}


def _as_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _as_lists(below) for key, below in value.items()}
    if inner and all(key == str(place) for place, key in enumerate(inner)):
        return list(inner.values())
    return inner


def elements(value: Any) -> int:
    """How many scalars a body holds: eMAG's "input vars" (API facts, Rate and size limits)."""
    count, pending = 0, [value]
    while pending:
        here = pending.pop()
        if isinstance(here, dict):
            pending.extend(here.values())
        elif isinstance(here, list):
            pending.extend(here)
        else:
            count += 1
    return count


def filters_of(ask: Ask) -> Json:
    """The filters of a read. Only the top level counts; what hides under `data` is ignored."""
    if not isinstance(ask.body, dict):
        return {}
    ignored = {"data", *ask.market.switches.ignored_filters}
    return {
        key: value for key, value in ask.body.items() if key not in ignored and value is not None
    }


def items_of(ask: Ask, *, lone_allowed: bool = False) -> list[Any] | str:
    """The items of a save, from a list or `{"data": list}`; a text says what is wrong with it."""
    body = ask.body
    if isinstance(body, dict) and "data" in body:
        body = body["data"]
    if isinstance(body, dict) and lone_allowed and body:
        body = [body]
    if not isinstance(body, list):
        return NOT_A_LIST
    if len(body) > MOST_ENTITIES:
        return f"ERROR: Maximum {MOST_ENTITIES} entities can be saved in a request"
    return body
