"""Which fields of an order decide what the ERP is told, and how each of them can be read.

What eMAG leaves out says nothing. What is there and can't be read makes the order unusable: what
a customer wants, has paid or gets back, and which pieces are left, is never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Final

from integrations.emag.matrices import OrderStatus
from integrations.emag.wire import Raw, WireError, entries, plain_text, unusable, whole_number

CURRENCIES: Final = frozenset({"RON", "EUR", "HUF", "BGN"})
"""Those of eMAG's platforms, BG's before and since 2026 (API facts: Hosts)."""

_AMOUNT: Final = Decimal(10) ** 12
_STATUSES: Final = frozenset(OrderStatus)
_LINE: Final = "product line's "

Reads = Callable[[object], object]
"""What a value says; None where it can't be read."""


def is_amount(number: Decimal) -> bool:
    """Whether a number can be an amount of money: none that has no end or more digits than any."""
    return number.is_finite() and abs(number) < _AMOUNT


def decimal_of(value: object) -> Decimal | None:
    """An amount or a rate as a number or a text, not rounded; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return amount if is_amount(amount) else None


def is_blank(value: object) -> bool:
    """Whether eMAG says nothing: an empty object comes as an empty list."""
    return value is None or value in ([], {}) or (isinstance(value, str) and not value.strip())


def currency_of(raw: Raw, order_id: int) -> str | None:
    """The order's currency, else that of its lines; None where neither says one.

    Raises WireError for one that is none of CURRENCIES, and where the lines do not agree.
    """
    if not is_blank(raw.get("currency")):
        _check(raw, {"currency": _currency}, order_id)
        return _currency(raw["currency"])
    said = set()
    for line in entries(raw.get("products")):
        _check(line, {"currency": _currency}, order_id, _LINE)
        said.add(_currency(line.get("currency")))
    codes = sorted(code for code in said if code is not None)
    if len(codes) > 1:
        raise WireError("order", order_id, f"{_LINE}currency", " and ".join(codes))
    return codes[0] if codes else None


def check_order(raw: Raw, order_id: int) -> None:
    """Raises WireError for what decides something of an order as a whole and can't be read."""
    _check(raw, _ORDER_FIELDS, order_id)
    currency_of(raw, order_id)


def check_lines(raw: Raw, order_id: int) -> None:
    """Raises WireError for what decides something of an order's lines and can't be read."""
    for line in entries(raw.get("products")):
        if not isinstance(line, dict):
            raise unusable("order", order_id, "product line", line)
        active = whole_number(line.get("status")) == 1
        for name in ("id", "status", *(("quantity",) if active else ())):
            if whole_number(line.get(name)) is None:
                raise unusable("order", order_id, _LINE + name, line.get(name))
        _check(line, _LINE_FIELDS, order_id, _LINE)


def check_lines_are_there(raw: Raw, order_id: int) -> None:
    """Raises WireError where an order that had lines shows none.

    One that is over may have dropped them all.
    """
    products = raw.get("products")
    if not isinstance(products, list | dict):
        raise unusable("order", order_id, "products", products)
    is_over = whole_number(raw.get("status")) in (OrderStatus.CANCELED, OrderStatus.RETURNED)
    if not is_over and not entries(products):
        raise WireError("order", order_id, "products", "no product lines")


def _check(raw: Raw, fields: Mapping[str, Reads], order_id: int, of: str = "") -> None:
    for name, read in fields.items():
        value = raw.get(name)
        if value is not None and read(value) is None and not is_blank(value):
            raise unusable("order", order_id, of + name, value)


def _status(value: object) -> int | None:
    number = whole_number(value)
    return number if number in _STATUSES else None


def _paid(value: object) -> int | None:
    number = whole_number(value)
    return number if number in (0, 1) else None


def _wish(value: object) -> object:
    """A wish is the time when it was made (API facts: Order object); false is none."""
    return value if value is False else plain_text(value)


def _currency(value: object) -> str | None:
    code = (plain_text(value) or "").upper()
    return code if code in CURRENCIES else None


_ORDER_FIELDS: Final[Mapping[str, Reads]] = MappingProxyType(
    {
        "status": _status,
        "cancellation_request": _wish,
        "payment_status": _paid,
        "cashed_co": decimal_of,
        "cashed_cod": decimal_of,
        "refunded_amount": decimal_of,
        "refund_status": plain_text,
    }
)

_LINE_FIELDS: Final[Mapping[str, Reads]] = MappingProxyType(
    {
        "product_id": plain_text,
        "quantity": whole_number,
        "initial_qty": whole_number,
        "storno_qty": whole_number,
        "sale_price": decimal_of,
        "vat": decimal_of,
    }
)
