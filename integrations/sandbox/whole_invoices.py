"""Making whole invoices of the few fields that somebody cares about (API facts, Invoices)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrations.sandbox import catalogue
from integrations.sandbox.clock import local_day, local_texts
from integrations.sandbox.platform import ROMANIA, Platform
from integrations.sandbox.sequences import Sequences
from integrations.sandbox.wire import Json


def complete_invoice(
    given: Mapping[str, Any], sequences: Sequences, now: datetime, platform: Platform = ROMANIA
) -> Json:
    """A whole invoice that eMAG issued: commission and the like, or in the seller's name.

    The categories `normal` and `storno` are invoices to customers (API facts, Invoices issued by
    eMAG): they name an order, and the seller is their supplier.
    """
    to_customer = given.get("category") in ("normal", "storno")
    storno = given.get("category") in ("storno", "FCSA")
    sign = -1 if storno else 1
    emag, seller = _party("Platforma Exemplu SA", 0), _party(catalogue.VENDOR, 1)
    number = sequences.invoice()
    default: Json = {
        "category": "FC",
        "name": None if to_customer else "Commission",
        "number": f"EXF{number}" if to_customer else f"C-MKTP-{number}",
        "date": local_day(now, platform.zone),
        "is_storno": int(storno),
        "supplier": seller if to_customer else emag,
        "customer": _party("Ioana Exemplu", 2) if to_customer else seller,
        "lines": [
            {
                "product_name": "Cana ceramica 350 ml" if to_customer else "Comision",
                "unit_of_measure": "Buc",
                "quantity": sign,
                "unit_price": 100,
                "vat_rate": 21,
                "value": 100 * sign,
                "vat_value": 21 * sign,
            }
        ],
        "payment_term": 0,
        "total_without_vat": 100 * sign,
        "total_vat_value": 21 * sign,
        "total_with_vat": 121 * sign,
        "currency": platform.currency,
    }
    if to_customer:
        default |= {"order_id": None, "reversal_for": None}
    return {**default, **local_texts(given, platform.zone)}


def _party(name: str, number: int) -> Json:
    return {
        "name": name,
        "register_number": f"J00/{number}/2020",
        "cif": str(number) * 8,
        "tax_code": "RO" + str(number) * 8,
        "social_capital": "1000 RON",
        "iban": f"RO00XXXX000000000000000{number}",
        "bank": "Banca Exemplu",
        "country": "Romania",
        "address": f"Str. Fictiva {number + 3}",
        "phone_number": "0000000000",
    }
