"""The JSON that travels, and the loose numbers and flags inside it."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

try:
    import orjson
except ImportError:  # the sandbox also runs where only FastAPI is installed
    orjson = None  # type: ignore[assignment]

Json = dict[str, Any]

_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,40}\s*")


def dumps(value: object) -> bytes:
    """The JSON text of a value, as bytes."""
    if orjson is not None:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def loads(text: bytes) -> Any:
    """The value of a JSON text; ValueError when it is none."""
    return orjson.loads(text) if orjson is not None else json.loads(text)


def whole(value: object) -> int | None:
    """The whole number that a JSON number or a form's text stands for, else None."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return None


def amount(value: object) -> Decimal | None:
    """The decimal that a JSON number or a text stands for, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return Decimal(str(value).strip())
    except InvalidOperation:
        return None


def truth(value: object) -> bool:
    """A flag, as JSON booleans, 0/1, or the texts that form bodies carry."""
    return value is True or value == 1 or value in ("1", "true", "True")
