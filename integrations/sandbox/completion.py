"""Making whole orders, returns and invoices of the few fields that somebody cares about.

The shapes follow API facts, Order object as returned; RMA object; Invoices issued by eMAG.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations.sandbox import catalogue
from integrations.sandbox.clock import local_day, local_text
from integrations.sandbox.reasons import CANCELLATION_REASONS
from integrations.sandbox.wire import Json

VENDOR = "Magazin Exemplu SRL"
_RETURN_TEXT = "Nu porneste"


def _from(start: int) -> Callable[[], int]:
    return itertools.count(start).__next__


@dataclass
class Sequences:
    """The next ids of everything that eMAG numbers."""

    order: Callable[[], int] = field(default_factory=lambda: _from(480000001))
    line: Callable[[], int] = field(default_factory=lambda: _from(700000001))
    rma: Callable[[], int] = field(default_factory=lambda: _from(52000001))
    rma_line: Callable[[], int] = field(default_factory=lambda: _from(61000001))
    reservation: Callable[[], int] = field(default_factory=lambda: _from(4500001))
    invoice: Callable[[], int] = field(default_factory=lambda: _from(900001))


def plain_times(given: Mapping[str, Any]) -> Json:
    """A copy in which datetimes have become eMAG's local texts."""
    return {
        key: local_text(value) if isinstance(value, datetime) else value
        for key, value in given.items()
    }


def reason_object(reason: object) -> Json | None:
    """A cancellation reason as it is read (API facts, Order object: an object with id and name)."""
    if isinstance(reason, int):
        return {"id": reason, "name": CANCELLATION_REASONS.get(reason, "Others")}
    return reason if isinstance(reason, dict) else None


def complete_order(given: Mapping[str, Any], sequences: Sequences, now: datetime) -> Json:
    """A whole order. `id`, `status` and `type` must be given; all else has a default.

    An order that nothing else is said about was placed three days ago and last changed yesterday.
    """
    order = plain_times(given)
    number, status = order["id"], order["status"]
    placed = order.get("date") or order.get("created") or local_text(now - timedelta(days=3))
    created = order.get("created") or placed
    yesterday = local_text(now - timedelta(days=1))
    finalized = order.get("finalization_date")
    if "finalization_date" not in order and status in (4, 5):
        finalized = max(created, order.get("modified") or yesterday)
    modified = order.get("modified") or finalized or max(created, yesterday)
    mode = order.get("payment_mode_id", 1)
    payment = catalogue.PAYMENT_MODES.get(mode, "RAMBURS")
    currency = order.get("currency", "RON")
    lines = order.get("products")
    if lines is None:
        lines = _usual_lines(number)
    default: Json = {
        "vendor_name": VENDOR,
        "id": number,
        "parent_id": None,
        "type": 3,
        "date": placed,
        "payment_mode": payment,
        "payment_mode_id": mode,
        "detailed_payment_method": payment,
        "delivery_mode": "courier",
        "delivery_payment_mode": None,
        "observation": None,
        "status": status,
        "payment_status": 1 if mode == 3 else 0,
        "customer": _customer(number, created, order.get("customer") or {}),
        "products": [complete_line(line, sequences, created, currency) for line in lines],
        "shipping_tax": 19.99,
        "shipping_tax_voucher_split": [],
        "vouchers": [],
        "proforms": [],
        "attachments": [],
        "cashed_co": None,
        "cashed_cod": 0,
        "cancellation_request": None,
        "has_editable_products": 1 if status in (2, 3) and mode != 3 else 0,
        "refunded_amount": "0",
        "is_complete": 1,
        "reason_cancellation": reason_object(24) if status == 0 else None,
        "refund_status": None,
        "maximum_date_for_shipment": _shipping_deadline(placed),
        "late_shipment": 0,
        "flags": [],
        "emag_club": number % 2,
        "finalization_date": finalized,
        "details": [],
        "weekend_delivery": 0,
        "enforced_vendor_courier_accounts": None,
        "created": created,
        "modified": modified,
        "currency": currency,
    }
    whole = {**default, **order}
    for key in ("customer", "products", "modified", "created", "date", "finalization_date"):
        whole[key] = default[key]
    if whole["reason_cancellation"] is not None:
        whole["reason_cancellation"] = reason_object(whole["reason_cancellation"])
    whole["attachments"] = [complete_attachment(whole, each) for each in whole["attachments"]]
    return whole


def complete_line(
    given: Mapping[str, Any], sequences: Sequences, created: str, currency: str
) -> Json:
    """A whole order line of one that names at least its `product_id`."""
    line = plain_times(given)
    product_id = str(line.get("product_id", catalogue.PRODUCTS[0].product_id))
    product = catalogue.product(product_id)
    quantity = line.get("quantity", 1)
    number = line.get("id") or sequences.line()
    default: Json = {
        "id": number,
        "product_id": product_id,
        "mkt_id": _product_emag_id(product_id),
        "name": product.name,
        "product_voucher_split": [],
        "status": 1,
        "ext_part_number": product.part_number,
        "part_number": product.part_number,
        "part_number_key": f"DEX{product_id}",
        "currency": currency,
        "vat": product.vat,
        "retained_amount": 0,
        "quantity": quantity,
        "initial_qty": quantity,
        "storno_qty": 0,
        "reversible_vat_charging": 0,
        "sale_price": product.sale_price,
        "original_price": line.get("sale_price", product.sale_price),
        "created": created,
        "modified": created,
        "details": [],
        "recycle_warranties": [_deposit(quantity)] if product.deposit else [],
        "attachments": [],
        "serial_numbers": None,
        "campaign": None,
    }
    return {**default, **line, "id": number, "product_id": product_id}


def complete_attachment(order: Mapping[str, Any], given: Mapping[str, Any]) -> Json:
    """An attachment as eMAG shows it, of one that names at least its `url`."""
    return {
        "order_id": order["id"],
        "order_type": order["type"],
        "name": given.get("name", "Document"),
        "url": given.get("url", ""),
        "type": given.get("type", 1),
        "force_download": given.get("force_download", 0),
        "visibility": given.get("visibility", "customer"),
    }


def complete_return(
    given: Mapping[str, Any], order: Json | None, sequences: Sequences, now: datetime
) -> Json:
    """A whole return. `emag_id`, `order_id`, `request_status` and `type` must be given.

    Customer and lines come from its order where that is known. It was asked for two days ago.
    """
    rma = plain_times(given)
    asked = rma.get("date") or local_text(now - timedelta(days=2))
    placed = datetime.fromisoformat(asked)
    number = int(rma["order_id"])
    name, place = catalogue.person(number)
    customer = order["customer"] if order else {}
    reason = rma.get("return_reason", 124)
    lines = rma.get("products")
    if lines is None:
        lines = order["products"] if order else _usual_lines(number)
        lines = [
            {"product_id": line["product_id"], "quantity": line["quantity"] or 1} for line in lines
        ]
    default: Json = {
        "is_full_fbe": 1 if rma["type"] == 2 else 0,
        "emag_id": rma["emag_id"],
        "return_parent_id": None,
        "order_id": str(number),
        "type": rma["type"],
        "is_club": number % 2,
        "is_fast": 0,
        "customer_name": customer.get("name", name),
        "customer_company": "",
        "customer_phone": customer.get("phone_1", catalogue.phone(number)),
        "pickup_country": "Romania",
        "pickup_suburb": customer.get("shipping_suburb", place.county),
        "pickup_city": customer.get("shipping_city", place.city),
        "pickup_address": customer.get("shipping_street", f"Str. Fictiva nr. {number % 90 + 1}"),
        "pickup_zipcode": None,
        "pickup_locality_id": int(customer.get("shipping_locality_id", place.locality_id)),
        "pickup_method": 1,
        "customer_account_iban": None,
        "customer_account_bank": None,
        "customer_account_beneficiary": None,
        "replacement_product_emag_id": None,
        "replacement_product_id": None,
        "replacement_product_name": None,
        "replacement_product_quantity": 0,
        "observations": _RETURN_TEXT,
        "request_status": rma["request_status"],
        "return_type": 3,
        "return_reason": reason,
        "date": asked,
        "products": [_return_line(line, reason, sequences) for line in lines],
        "extra_info": {
            "maximum_finalization_date": _day_after(placed, 14),
            "first_pickup_date": _day_after(placed, 1),
            "estimated_product_pickup": _day_after(placed, 2),
            "estimated_product_reception": _day_after(placed, 5),
        },
        "return_tax_value": "0.0000",
        "swap": None,
        "return_address_id": 345678,
        "country": "RO",
        "address_type": "return",
        "return_address_snapshot": "Depozit Exemplu, Bucuresti",
        "awbs": [{"reservation_id": sequences.reservation()}],
        "status_history": [{"code": "confirmation", "event_date": asked, "requests": []}],
        "request_history": [history_entry(1, placed, "STATUS_INFO_RMA_CREATED", "UI")],
        "locker": [],
        "request_status_reason": None,
        "currency": "RON",
        "finalized_with_incident": False,
        "courier_name": "SAMEDAY",
    }
    return {**default, **rma, "order_id": str(number), "products": default["products"]}


def history_entry(number: int, at: datetime, action_type: str, source: str) -> Json:
    """A line of a return's `request_history`; `at` is local, the text is eMAG's odd format."""
    return {
        "id": number,
        "date": at.strftime("%d %b %Y, %H:%M"),
        "user": "system",
        "action": "Actiune inregistrata",
        "action_type": action_type,
        "source": source,
    }


def complete_invoice(given: Mapping[str, Any], sequences: Sequences, now: datetime) -> Json:
    """A whole invoice that eMAG issued: commission and the like, or in the seller's name.

    The categories `normal` and `storno` are invoices to customers (API facts, Invoices issued by
    eMAG): they name an order, and the seller is their supplier.
    """
    to_customer = given.get("category") in ("normal", "storno")
    storno = given.get("category") in ("storno", "FCSA")
    sign = -1 if storno else 1
    emag, seller = _party("Platforma Exemplu SA", 0), _party(VENDOR, 1)
    number = sequences.invoice()
    default: Json = {
        "category": "FC",
        "name": None if to_customer else "Commission",
        "number": f"EXF{number}" if to_customer else f"C-MKTP-{number}",
        "date": local_day(now),
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
        "currency": "RON",
    }
    if to_customer:
        default |= {"order_id": None, "reversal_for": None}
    return {**default, **plain_times(given)}


def _usual_lines(number: int) -> list[Json]:
    products = catalogue.PRODUCTS
    first = {"product_id": products[number % len(products)].product_id, "quantity": number % 3 + 1}
    if number % 2:
        return [first]
    return [first, {"product_id": products[(number + 1) % len(products)].product_id, "quantity": 1}]


def _customer(number: int, created: str, given: Mapping[str, Any]) -> Json:
    name, place = catalogue.person(number)
    name = given.get("name", name)
    tel = catalogue.phone(number)
    street = f"Str. Fictiva nr. {number % 90 + 1}"
    return {
        "id": 90000000 + number % 10000000,
        "mkt_id": 91000000 + number % 10000000,
        "name": name,
        "email": f"k{number:x}@emag.example",
        "company": name,
        "gender": "",
        "code": "",
        "registration_number": "",
        "bank": "",
        "iban": "",
        "fax": None,
        "legal_entity": 0,
        "is_vat_payer": 0,
        "phone_1": tel,
        "phone_2": "",
        "phone_3": "",
        "billing_name": name,
        "billing_phone": tel,
        "billing_country": "RO",
        "billing_suburb": place.county,
        "billing_city": place.city,
        "billing_locality_id": str(place.locality_id),
        "billing_street": street,
        "billing_postal_code": "",
        "liable_person": "",
        "shipping_country": "RO",
        "shipping_suburb": place.county,
        "shipping_city": place.city,
        "shipping_locality_id": str(place.locality_id),
        "shipping_street": street,
        "shipping_postal_code": "",
        "shipping_contact": name,
        "shipping_phone": tel,
        "created": created,
        "modified": created,
        **given,
    }


def _return_line(given: Mapping[str, Any], reason: int, sequences: Sequences) -> Json:
    product_id = str(given.get("product_id", catalogue.PRODUCTS[0].product_id))
    default: Json = {
        "id": given.get("id") or sequences.rma_line(),
        "product_emag_id": _product_emag_id(product_id),
        "product_id": product_id,
        "quantity": 1,
        "product_name": catalogue.product(product_id).name,
        "return_reason": reason,
        "observations": _RETURN_TEXT,
        "diagnostic": None,
        "reject_reason": None,
        "refund_value": None,
        "retained_amount": 0,
    }
    return {**default, **given, "product_id": product_id}


def _deposit(quantity: int) -> Json:
    return {
        "quantity": quantity,
        "sale_price": 0.5,
        "vat_rate": 0,
        "product_name": "Taxa SGR plastic",
        "recycle_warranty_voucher_split": [],
    }


def _product_emag_id(product_id: str) -> int:
    return 650000000 + zlib.crc32(product_id.encode()) % 10**7


def _shipping_deadline(placed: str) -> str:
    return _day_after(datetime.fromisoformat(placed), 2) + " 23:59:59"


def _day_after(day: datetime, days: int) -> str:
    return (day + timedelta(days=days)).strftime("%Y-%m-%d")


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
