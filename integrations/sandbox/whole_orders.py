"""Making whole orders of the few fields that somebody cares about (API facts, Order object)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from integrations.sandbox import catalogue
from integrations.sandbox.clock import day_after, local_text, local_texts
from integrations.sandbox.platform import ROMANIA, Platform
from integrations.sandbox.reasons import reason_object
from integrations.sandbox.sequences import Sequences
from integrations.sandbox.wire import Json


def order_times(given: Mapping[str, Any], now: datetime, platform: Platform) -> Json:
    """An order's dates as local texts, each with a default; `status` must be given.

    An order that nothing else is said about was placed three days ago and last changed yesterday.
    """
    zone = platform.zone
    order = local_texts(given, zone)
    placed = order.get("date") or order.get("created") or local_text(now - timedelta(days=3), zone)
    created = order.get("created") or placed
    yesterday = local_text(now - timedelta(days=1), zone)
    finalized = order.get("finalization_date")
    if "finalization_date" not in order and order["status"] in (4, 5):
        finalized = max(created, order.get("modified") or yesterday)
    modified = order.get("modified") or finalized or max(created, yesterday)
    return {
        "date": placed,
        "created": created,
        "modified": modified,
        "finalization_date": finalized,
    }


def complete_order(
    given: Mapping[str, Any], sequences: Sequences, now: datetime, platform: Platform = ROMANIA
) -> Json:
    """A whole order. `id`, `status` and `type` must be given; all else has a default."""
    order = local_texts(given, platform.zone)
    order |= order_times(order, now, platform)
    number, status, created = order["id"], order["status"], order["created"]
    mode = order.get("payment_mode_id", 1)
    payment = catalogue.PAYMENT_MODES.get(mode, "RAMBURS")
    currency = order.get("currency", platform.currency)
    lines = order.get("products")
    if lines is None:
        lines = catalogue.usual_lines(number)
    default: Json = {
        "vendor_name": catalogue.VENDOR,
        "id": number,
        "parent_id": None,
        "type": 3,
        "date": order["date"],
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
        "maximum_date_for_shipment": _shipping_deadline(order["date"]),
        "late_shipment": 0,
        "flags": [],
        "emag_club": number % 2,
        "finalization_date": order["finalization_date"],
        "details": [],
        "weekend_delivery": 0,
        "enforced_vendor_courier_accounts": None,
        "created": created,
        "modified": order["modified"],
        "currency": currency,
    }
    whole = {**default, **order}
    whole |= {key: default[key] for key in ("customer", "products")}
    if whole["reason_cancellation"] is not None:
        whole["reason_cancellation"] = reason_object(whole["reason_cancellation"])
    whole["attachments"] = [complete_attachment(whole, each) for each in whole["attachments"]]
    return whole


def complete_line(
    given: Mapping[str, Any], sequences: Sequences, created: str, currency: str
) -> Json:
    """A whole order line of one that names at least its `product_id`."""
    line = local_texts(given)
    product_id = str(line.get("product_id", catalogue.PRODUCTS[0].product_id))
    product = catalogue.product(product_id)
    quantity = line.get("quantity", 1)
    number = line.get("id") or sequences.line()
    default: Json = {
        "id": number,
        "product_id": product_id,
        "mkt_id": catalogue.product_emag_id(product_id),
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
        "initial_qty": quantity + line.get("storno_qty", 0),
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


def _deposit(quantity: int) -> Json:
    return {
        "quantity": quantity,
        "sale_price": 0.5,
        "vat_rate": 0,
        "product_name": "Taxa SGR plastic",
        "recycle_warranty_voucher_split": [],
    }


def _shipping_deadline(placed: str) -> str:
    return day_after(datetime.fromisoformat(placed), 2) + " 23:59:59"
