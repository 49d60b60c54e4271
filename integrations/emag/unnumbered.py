"""Orders and returns without a number that one could have: what is known of them all the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final
from zoneinfo import ZoneInfo

from integrations.emag.accounts import TYPES
from integrations.emag.return_facts import HIGHEST
from integrations.emag.wire import Raw, to_local, to_utc, unusable, whole_number

_DATES: Final = ("created", "date")


@dataclass(frozen=True, slots=True)
class Unnumbered:
    """One that eMAG shows without a usable number; `placed_at` is aware UTC.

    Attributes:
        key: tells it from others: what came instead of the number, when it was placed, its order.
        shown: what came instead, in words that name no customer.
        problem: the same with all that helps to find it at eMAG, for a person.
    """

    key: str
    shown: str
    type: int | None
    placed_at: datetime | None
    order_id: int | None
    problem: str


def number_of(raw: Raw, name: str) -> int | None:
    """eMAG's number, None where there is none that an order or a return can have."""
    number = whole_number(raw.get(name))
    return number if number is not None and 0 < number <= HIGHEST else None


def row_key(raw: Raw, name: str) -> object:
    """What tells a listing's row from others: its number, else all that it holds."""
    return number_of(raw, name) or _digest(raw)


def placed(raw: Raw, zone: ZoneInfo) -> list[datetime]:
    """When it was placed, aware UTC, as far as that can be read: of an order eMAG has two dates."""
    return [at for each in _DATES if (at := to_utc(raw.get(each), zone))]


def read_unnumbered(raw: Raw, entity: str, name: str, zone: ZoneInfo) -> Unnumbered:
    """What is known of an order or a return (`entity`) whose number `name` can't be read."""
    error = unusable(entity, None, name, raw.get(name))
    placed_at = next(iter(placed(raw, zone)), None)
    order_id, kind = number_of(raw, "order_id"), whole_number(raw.get("type"))
    about = f" of order {order_id}" if order_id else ""
    when = to_local(placed_at, zone) if placed_at else "nobody knows when"
    return Unnumbered(
        key=_digest([raw.get(name), *(raw.get(each) for each in _DATES), order_id]),
        shown=error.value,
        type=kind if kind in TYPES else None,
        placed_at=placed_at,
        order_id=order_id,
        problem=f"{error}{about}, placed {when}: see to it at eMAG; it comes in once that is right",
    )


def _digest(content: Raw | Sequence[object]) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return blake2b(text.encode(errors="replace"), digest_size=12).hexdigest()
