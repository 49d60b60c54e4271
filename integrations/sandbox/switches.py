"""How the sandbox behaves where it can behave in more than one way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import TypeAdapter, ValidationError

from integrations.sandbox.platform import Platform
from integrations.sandbox.spelling import remedy


@dataclass(frozen=True)
class Switches:
    """One field per behaviour; the defaults are what the better sources report.

    Where sources about eMAG contradict each other there is a switch, so that a client can be
    tested against either answer. `docs/sandbox.md` describes each one.
    """

    # which country's eMAG it is (API facts, Hosts)
    zone: str = "Europe/Bucharest"
    currency: str = "RON"
    # answer time and limits (API facts, Rate limits and size limits)
    answer_seconds: float = 0.0
    limits: bool = True
    orders_per_second: int = 12
    orders_per_minute: int = 720
    other_per_second: int = 3
    other_per_minute: int = 180
    retry_after: bool = False
    # who may call (API facts, Authentication)
    allowed_addresses: frozenset[str] | None = None
    address_refusal: Literal[200, 403] = 200
    # shape of requests (API facts, Body shape)
    attachments_filter: Literal["top", "data"] = "top"
    lone_object_saves: bool = False
    null_filters: Literal["ignored", "refused"] = "ignored"
    rma_status_list: bool = False
    clip_page_size: bool = True
    page_cap: int | None = None
    ignored_filters: frozenset[str] = frozenset()
    # shape of answers (API facts, Response envelope; Quirks)
    message_key: Literal["messages", "message"] = "messages"
    count_strings: bool = True
    strings_for_numbers: bool = False
    product_id_numbers: bool = False
    empty_objects: Literal["list", "object", "null"] = "list"
    empty_reason: Literal["null", "list", "object"] = "null"
    invoices_at_root: bool = False
    unknown_fields: bool = False
    page_shift: bool = False
    repeat_last_page: bool = False
    # what is shown when nobody asks for a type (API facts, Filters; RMA filters)
    order_read_default_type: int | None = 3
    order_count_default_type: int | None = None
    rma_read_default_type: int | None = None
    # what a change does to an order's `modified` (API facts, Quirks 17)
    modified_stands_still: bool = False
    modified_goes_back: bool = False
    # orders (API facts, acknowledge, order/save, Cancelling, Storno)
    acknowledge_twice: Literal[400, 200] = 400
    require_all_fields: bool = True
    missing_lines: Literal["remove", "keep"] = "remove"
    zero_lines: Literal["shown", "dropped"] = "shown"
    echo_reason_object: bool = False
    reason_required: bool = True
    card_partial_storno: bool = True
    returned_resave: bool = False
    return_window_days: int = 30
    # returns (API facts, rma/save)
    partial_rma_save: bool = False
    fbe_rma_save: bool = False
    # attachments (API facts, Invoices and attachments)
    attachment_duplicates: Literal["kept", "merged"] = "kept"

    def __post_init__(self) -> None:
        rates = ("orders_per_second", "orders_per_minute", "other_per_second", "other_per_minute")
        for name in rates:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.answer_seconds < 0 or self.return_window_days < 0:
            raise ValueError("answer_seconds and return_window_days can't be negative")
        if self.page_cap is not None and self.page_cap < 1:
            raise ValueError("page_cap must be at least 1, or null")
        if not _is_zone(self.zone):
            raise ValueError(f"there is no zone {self.zone!r}; write one like Europe/Sofia")

    @cached_property
    def platform(self) -> Platform:
        """The clock and the money of this eMAG."""
        return Platform(ZoneInfo(self.zone), self.currency)

    @cached_property
    def plain(self) -> bool:
        """True when records go out exactly as they are kept."""
        return (
            not self.strings_for_numbers
            and not self.product_id_numbers
            and not self.unknown_fields
            and self.empty_objects == "list"
            and self.empty_reason == "null"
            and self.zero_lines == "shown"
        )


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    NoneType: "null",
    frozenset[str]: "a list of texts",
}


def _values(annotation: Any) -> str:
    """What a field of this type takes, in words."""
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return " or ".join(map(json.dumps, parts))
    return _WORDS.get(annotation) or " or ".join(map(_values, parts))


_TAKES = {name: _values(each) for name, each in get_type_hints(Switches).items()}

OF_PYDANTIC = "Value error, "  # before what a check has to say

NAMES = tuple(field.name for field in fields(Switches))
_ADAPTER = TypeAdapter(Switches)


def changed(switches: Switches, given: Mapping[str, Any]) -> Switches:
    """The switches with some of them set; ValueError names what is unknown or has a bad value."""
    for name in given:
        if name not in NAMES:
            raise ValueError(f"no switch {name!r}; {remedy(name, NAMES)}")
    try:
        return _ADAPTER.validate_python({**asdict(switches), **given})
    except ValidationError as problem:
        first = problem.errors()[0]
        if not first["loc"]:
            raise ValueError(f"switches: {first['msg'].removeprefix(OF_PYDANTIC)}") from None
        name = str(first["loc"][0])
        value = json.dumps(given[name], default=str)
        raise ValueError(f"switch {name} can't be {value}: it takes {_TAKES[name]}") from None


def as_json(switches: Switches) -> dict[str, Any]:
    """The switches as JSON shows them."""
    shown = asdict(switches)
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in shown.items()
    }
