"""Invoices that eMAG issued: to customers in the seller's name, and its own to the seller."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import date
from hashlib import blake2b

from integrations.emag.wire import Raw, WireError, day, plain_text, truth, unusable, whole_number

# An order's number, as long as eMAG's are.
_ORDER = re.compile(r"(?<!\d)\d{6,10}(?!\d)")

_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class IssuedInvoice:
    """An invoice that eMAG issued; `reversal_for` is the number that a storno takes back.

    `problem` says why its number or its order is not known, where either can't be read.
    """

    number: str
    order_id: int | None
    category: str
    date: date | None
    reversal_for: str | None
    is_storno: bool
    problem: str | None = None


def read_issued_invoice(raw: object) -> IssuedInvoice:
    """An invoice of `customer-invoice/read` or `invoice/read`. Raises WireError.

    One that names no order is of none.
    """
    if not isinstance(raw, dict):
        raise unusable("invoice", None, "shape", raw)
    number = plain_text(raw.get("number"))
    if number is None:
        raise unusable("invoice", None, "number", raw.get("number"))
    if _order_is_unreadable(raw):
        raise unusable("invoice", number, "order_id", raw.get("order_id"))
    return _invoice(raw, number)


def read_in_part(raw: Raw, error: WireError) -> IssuedInvoice | None:
    """What can be told of an invoice that can't be read whole; None where it is of no order.

    One without a readable number is called by what it holds. Its order is the one whose number
    stands somewhere in what eMAG sent, if that is one alone; what holds no digit names no order,
    and is no problem of any.
    """
    number = plain_text(raw.get("number"))
    if number is None:
        if _is_blank(raw.get("order_id")):
            return None
        content = json.dumps(raw, sort_keys=True, default=str).encode()
        number = f"unreadable {blake2b(content, digest_size=6).hexdigest()}"
    invoice = _invoice(raw, number, str(error))
    if error.field != "order_id":
        return invoice
    value = json.dumps(raw.get("order_id"), default=str)
    orders = set(_ORDER.findall(value))
    if len(orders) == 1:
        return replace(invoice, order_id=int(orders.pop()))
    return invoice if _DIGIT.search(value) else replace(invoice, problem=None)


def _invoice(raw: Raw, number: str, problem: str | None = None) -> IssuedInvoice:
    category = (plain_text(raw.get("category")) or "").lower()
    is_storno = category == "storno" or truth(raw.get("is_storno"))
    return IssuedInvoice(
        number=number,
        order_id=whole_number(raw.get("order_id")),
        category=category or ("storno" if is_storno else "normal"),
        date=day(raw.get("date")),
        reversal_for=plain_text(raw.get("reversal_for")),
        is_storno=is_storno,
        problem=problem,
    )


def _order_is_unreadable(raw: Raw) -> bool:
    value = raw.get("order_id")
    return whole_number(value) is None and not _is_blank(value)


def _is_blank(value: object) -> bool:
    """Whether it is one of the ways in which PHP says that there is nothing."""
    return value in (None, [], {}) or (isinstance(value, str) and not value.strip())
