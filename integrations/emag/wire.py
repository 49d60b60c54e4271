"""What eMAG sends and takes, read tolerantly and sent back whole.

eMAG writes numbers as strings, `[]` for an empty object, null anywhere, lists as objects with
numbered keys, and adds fields without notice (API facts: Order object; RMA object; Quirks). Only
what decides something is read; everything stays in `raw`, because a save must send back every
field that was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

Raw = dict[str, Any]

_CARD: Final = 3

_NESTED: Final = frozenset({dict, list})


class WireError(ValueError):
    """Something that decides about an order, return or invoice of eMAG's could not be read.

    `value` describes what came instead in words that name no customer.
    """

    def __init__(self, entity: str, entity_id: int | str | None, field: str, value: str) -> None:
        super().__init__(entity, entity_id, field, value)
        self.entity, self.entity_id, self.field, self.value = entity, entity_id, field, value

    def __str__(self) -> str:
        which = self.entity if self.entity_id is None else f"{self.entity} {self.entity_id}"
        return f"eMAG's {which} has an unusable {self.field}: {self.value}"


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A product line of an order; `id` is eMAG's line id, `product_id` the seller's offer."""

    id: int
    product_id: str | None
    mkt_id: str | None
    part_number: str | None
    ext_part_number: str | None
    status: int
    quantity: int

    @property
    def active(self) -> bool:
        """Whether the line is still part of the order."""
        return self.status == 1 and self.quantity > 0


@dataclass(frozen=True, slots=True)
class Attachment:
    """A document that hangs on an order: 1 invoice, 3 warranty, 10 AWB, 11 proforma."""

    name: str
    url: str
    type: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order as read; `type` is 3 (sold by the seller) or 2 (FBE), times are aware UTC."""

    id: int
    type: int
    status: int
    payment_mode_id: int | None
    finalization_date: datetime | None
    modified: datetime | None
    lines: tuple[OrderLine, ...]
    attachments: tuple[Attachment, ...]
    cancellation_request: str | None
    reason_cancellation: int | None
    raw: Raw = field(repr=False)

    @property
    def is_card(self) -> bool:
        """Paid online by card; eMAG sometimes leaves the payment mode's id null."""
        if self.payment_mode_id is not None:
            return self.payment_mode_id == _CARD
        return "card" in (plain_text(self.raw.get("payment_mode")) or "").lower()

    @property
    def finalized_at(self) -> datetime | None:
        """The start of the order's windows: when it was finalized, else last modified."""
        return self.finalization_date or self.modified


@dataclass(frozen=True, slots=True)
class ReturnLine:
    """A product line of a return; `product_id` is the seller's offer."""

    id: int
    product_id: str | None
    product_emag_id: str | None
    quantity: int


@dataclass(frozen=True, slots=True)
class Return:
    """A return (RMA) as read; `status` is eMAG's `request_status`, `date` is aware UTC."""

    emag_id: int
    order_id: int | None
    type: int
    status: int
    lines: tuple[ReturnLine, ...]
    date: datetime | None
    raw: Raw = field(repr=False)


def read_order(raw: object, zone: ZoneInfo) -> Order:
    """An order of `order/read`, whose times are in `zone`. Raises WireError."""
    source = _object(raw, "order")
    order_id = _needed(source, "id", "order", None)
    return Order(
        id=order_id,
        type=_needed(source, "type", "order", order_id),
        status=_needed(source, "status", "order", order_id),
        payment_mode_id=whole_number(source.get("payment_mode_id")),
        finalization_date=to_utc(source.get("finalization_date"), zone),
        modified=to_utc(source.get("modified"), zone),
        lines=tuple(_order_line(line, order_id) for line in entries(source.get("products"))),
        attachments=_attachments(source.get("attachments")),
        cancellation_request=plain_text(source.get("cancellation_request")),
        reason_cancellation=_reason(source.get("reason_cancellation")),
        raw=source,
    )


def read_return(raw: object, zone: ZoneInfo) -> Return:
    """A return of `rma/read`, whose times are in `zone`. Raises WireError.

    Returns had no `type` before eMAG fulfilled orders itself; without one it is 3.
    """
    source = _object(raw, "return")
    emag_id = _needed(source, "emag_id", "return", None)
    untyped = source.get("type") is None
    return Return(
        emag_id=emag_id,
        order_id=whole_number(source.get("order_id")),
        type=3 if untyped else _needed(source, "type", "return", emag_id),
        status=_needed(source, "request_status", "return", emag_id),
        lines=tuple(_return_line(line, emag_id) for line in entries(source.get("products"))),
        date=to_utc(source.get("date"), zone),
        raw=source,
    )


def rows(results: object) -> list[Raw]:
    """The objects in an answer's `results`, however eMAG nested them."""
    if isinstance(results, dict) and "invoices" in results:
        results = results["invoices"]
    return list(_flattened(results))


def order_body(
    order: Order, /, *, lines: Mapping[int, Mapping[str, Any]] | None = None, **changes: Any
) -> Raw:
    """The order as `order/save` wants it: every field that was read, with the changes.

    `lines` holds changes by line id. The cancellation reason is read as an object and saved as
    an integer (API facts: Order object); `is_storno` says what this save is, not what an earlier
    one was (API facts: Storno). The order's own `raw` is left as it is.
    """
    body = dict(order.raw)
    if truth(body.get("is_storno")):
        body["is_storno"] = False
    if "reason_cancellation" in body:
        body["reason_cancellation"] = order.reason_cancellation
    return _changed(body, lines, changes)


def return_body(
    ret: Return, /, *, lines: Mapping[int, Mapping[str, Any]] | None = None, **changes: Any
) -> Raw:
    """The return as `rma/save` wants it: every field that was read, with the changes.

    `lines` holds changes by line id. The return's own `raw` is left as it is.
    """
    return _changed(dict(ret.raw), lines, changes)


def elements(entity: object) -> int:
    """How many scalars an entity holds: what eMAG counts against its 4,000 input vars."""
    count = 0
    rest: list[Any] = [[entity]]
    while rest:
        value = rest.pop()
        values = value.values() if type(value) is dict else value
        nested = [each for each in values if type(each) in _NESTED]
        count += len(values) - len(nested)
        rest += nested
    return count


def to_utc(text: object, zone: ZoneInfo) -> datetime | None:
    """A time of eMAG's, naive and local to `zone`, as aware UTC; None if it is none.

    Of an hour that comes twice the earlier instant is taken; an hour that the spring change
    leaves out is read with the offset from before it. Unix seconds are taken too (seen once).
    """
    try:
        seconds = whole_number(text)
        if seconds is not None:
            return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
        moment = datetime.fromisoformat(text.strip()) if isinstance(text, str) else None
        if moment is None:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def to_local(moment: datetime, zone: ZoneInfo) -> str:
    """An aware time as eMAG's filters want it: "Y-m-d H:i:s", local to `zone`."""
    if moment.tzinfo is None:
        raise ValueError("a time for eMAG must carry its zone")
    return moment.astimezone(zone).replace(tzinfo=None, microsecond=0).isoformat(" ")


def open_end(now: datetime, zone: ZoneInfo) -> str | None:
    """The local time to ask up to where all until now is meant; None: none, which means the same.

    Not in an hour that comes for the second time: eMAG's present would then hide what came an hour
    ago, at a later local time.
    """
    ahead = now.astimezone(zone).fold * timedelta(hours=1)
    return to_local(now + ahead, zone) if ahead else None


def _order_line(raw: object, order_id: int) -> OrderLine:
    source = _object(raw, "order", order_id, "product line")
    status = _needed(source, "status", "order", order_id, "product line's status")
    return OrderLine(
        id=_needed(source, "id", "order", order_id, "product line's id"),
        product_id=plain_text(source.get("product_id")),
        mkt_id=plain_text(source.get("mkt_id")),
        part_number=plain_text(source.get("part_number")),
        ext_part_number=plain_text(source.get("ext_part_number")),
        status=status,
        quantity=_quantity(source, "order", order_id)
        if status == 1
        else whole_number(source.get("quantity")) or 0,
    )


def _return_line(raw: object, emag_id: int) -> ReturnLine:
    source = _object(raw, "return", emag_id, "product line")
    return ReturnLine(
        id=_needed(source, "id", "return", emag_id, "product line's id"),
        product_id=plain_text(source.get("product_id")),
        product_emag_id=plain_text(source.get("product_emag_id")),
        quantity=_quantity(source, "return", emag_id),
    )


def _attachments(value: object) -> tuple[Attachment, ...]:
    found = (entry for entry in entries(value) if isinstance(entry, dict))
    return tuple(_attachment(entry) for entry in found if plain_text(entry.get("url")))


def _attachment(entry: Raw) -> Attachment:
    kind = entry.get("type")
    return Attachment(
        name=plain_text(entry.get("name")) or "",
        url=plain_text(entry.get("url")) or "",
        type=1 if kind is None else whole_number(kind) or 0,
    )


def _changed(
    body: Raw, lines: Mapping[int, Mapping[str, Any]] | None, changes: Mapping[str, Any]
) -> Raw:
    if lines:
        body["products"] = _changed_lines(body.get("products"), lines)
    return body | dict(changes)


def _changed_lines(value: Any, lines: Mapping[int, Mapping[str, Any]]) -> Any:
    if isinstance(value, list):
        return [_changed_lines(entry, lines) for entry in value]
    if not isinstance(value, dict):
        return value
    if _is_numbered(value):
        return {key: _changed_lines(entry, lines) for key, entry in value.items()}
    line_id = whole_number(value.get("id"))
    return value if line_id is None else {**value, **lines.get(line_id, {})}


def entries(value: object) -> list[Any]:
    """The filled entries of a PHP list: a list, an object with numbered keys, or one object."""
    if isinstance(value, dict):
        value = list(value.values()) if _is_numbered(value) else [value]
    if not isinstance(value, list):
        return []
    return [entry for entry in value if entry not in (None, [], {})]


def _flattened(value: object) -> Iterator[Raw]:
    for entry in entries(value):
        if isinstance(entry, dict):
            yield entry
        else:
            yield from _flattened(entry)


def _is_numbered(value: Raw) -> bool:
    return all(key.isdecimal() for key in value)


def _object(raw: object, entity: str, entity_id: int | None = None, part: str = "shape") -> Raw:
    if isinstance(raw, dict):
        return raw
    raise unusable(entity, entity_id, part, raw)


def _needed(
    source: Raw, key: str, entity: str, entity_id: int | None, called: str | None = None
) -> int:
    number = whole_number(source.get(key))
    if number is None:
        raise unusable(entity, entity_id, called or key, source.get(key))
    return number


def _quantity(source: Raw, entity: str, entity_id: int) -> int:
    return _needed(source, "quantity", entity, entity_id, "product line's quantity")


def unusable(entity: str, entity_id: int | str | None, key: str, value: object) -> WireError:
    """The error that says of a field what came instead, in words that name no customer.

    A number with letters before it, where the number of an order or return should be, is shown.
    """
    is_code = key in _NUMBERS and isinstance(value, str) and _CODE.fullmatch(value)
    return WireError(entity, entity_id, key, repr(value) if is_code else _shown(value))


_NUMBERS: Final = frozenset({"id", "emag_id", "order_id"})
_CODE: Final = re.compile(r"[A-Z]{1,4}[-_#/ ]?[0-9]{5,12}")


def _shown(value: object) -> str:
    """A value in words that can't be a customer's: numbers as they are, the rest by their kind."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)[:40]
    if isinstance(value, str):
        plain = not any(letter.isalpha() for letter in value)
        return repr(value[:20]) if plain else f"a text of {len(value)} characters"
    return "a list" if isinstance(value, list) else "an object"


_WHOLE: Final = re.compile(r"\s*([+-]?[0-9]{1,19})(?:\.0*)?\s*")
_EXACT: Final = 2.0**53


def whole_number(value: object) -> int | None:
    """A whole number written as 1, 1.0, "1" or "1.0000"; None for anything else."""
    if type(value) is int:
        return value
    if isinstance(value, str):
        match = _WHOLE.fullmatch(value)
        return int(match[1]) if match else None
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return None


def plain_text(value: object) -> str | None:
    """A text, or a number as text; None for blanks and for anything else."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if type(value) in (int, float) else None


def truth(value: object) -> bool:
    """Whether a value means yes: true, 1 or "true"."""
    return value is True or whole_number(value) == 1 or str(value).lower() == "true"


def _reason(value: object) -> int | None:
    return whole_number(value.get("id") if isinstance(value, dict) else value)


def day(value: object) -> date | None:
    """The day of a date or a local time of eMAG's; None if it is none."""
    try:
        return date.fromisoformat((plain_text(value) or "")[:10])
    except ValueError:
        return None
