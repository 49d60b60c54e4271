"""The JSON around every answer: whether it was an error, what eMAG says, and the results."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_JOINED: Final = re.compile(r";\s+(?=(?:ERROR|WARNING):)")
_TEXT_KEYS: Final = ("text", "message", "error", "description")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A readable answer; `is_error` is None where eMAG (or its gateway) does not say."""

    is_error: bool | None
    messages: tuple[str, ...]
    results: Any


def read_envelope(body: bytes) -> Envelope | None:
    """The envelope in an answer's body; None if it is not a JSON object.

    Messages are texts (several may be joined in one), or objects with a text and a field, under
    `messages`, `message` or `errors`; invoices may lie at the root (API facts: Response envelope;
    Invoices issued by eMAG).
    """
    try:
        value = json.loads(body, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    said = (value.get(key) for key in ("messages", "message", "errors"))
    error = value.get("isError")
    return Envelope(
        is_error=error if isinstance(error, bool) else None,
        messages=tuple(dict.fromkeys(text for part in said for text in _texts(part))),
        results=value.get("results", value.get("invoices")),
    )


def _finite(text: str) -> float:
    number = float(text)
    if math.isfinite(number):
        return number
    raise ValueError("a number that JSON has no form for")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from (text for text in _JOINED.split(value.strip()) if text)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, dict):
        yield from _object_texts(value)


def _object_texts(value: dict[str, Any]) -> Iterator[str]:
    """The text of a message object with its field; else the texts of an object that lists them."""
    text = next((value[key] for key in _TEXT_KEYS if isinstance(value.get(key), str)), None)
    if text is None:
        yield from _texts(list(value.values()))
    else:
        name = value.get("field")
        yield f"{text} (field {name})" if isinstance(name, str) else text
