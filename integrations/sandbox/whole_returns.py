"""Making whole returns of the few fields that somebody cares about (API facts, RMA object)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from integrations.sandbox import catalogue
from integrations.sandbox.clock import day_after, local_text, local_texts
from integrations.sandbox.platform import ROMANIA, Platform
from integrations.sandbox.sequences import Sequences
from integrations.sandbox.wire import Json

_TEXT = "Nu porneste"


def complete_return(
    given: Mapping[str, Any],
    order: Json | None,
    sequences: Sequences,
    now: datetime,
    platform: Platform = ROMANIA,
) -> Json:
    """A whole return. `emag_id`, `order_id`, `request_status` and `type` must be given.

    Customer and lines come from its order where that is known.
    """
    rma = {**given, **return_times(given, now, platform)}
    asked = rma["date"]
    placed = datetime.fromisoformat(asked)
    number = int(rma["order_id"])
    name, place = catalogue.person(number)
    customer = order["customer"] if order else {}
    reason = rma.get("return_reason", 124)
    lines = rma.get("products")
    if lines is None:
        lines = _lines_left(order) if order else catalogue.usual_lines(number)
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
        "observations": _TEXT,
        "request_status": rma["request_status"],
        "return_type": 3,
        "return_reason": reason,
        "date": asked,
        "products": [_return_line(line, reason, sequences) for line in lines],
        "extra_info": {
            "maximum_finalization_date": day_after(placed, 14),
            "first_pickup_date": day_after(placed, 1),
            "estimated_product_pickup": day_after(placed, 2),
            "estimated_product_reception": day_after(placed, 5),
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
        "currency": order["currency"] if order else platform.currency,
        "finalized_with_incident": False,
        "courier_name": "SAMEDAY",
    }
    return {**default, **rma, "order_id": str(number), "products": default["products"]}


def return_times(given: Mapping[str, Any], now: datetime, platform: Platform) -> Json:
    """When a return was asked for; two days ago, where nothing is said."""
    date = local_texts(given, platform.zone).get("date")
    return {"date": date or local_text(now - timedelta(days=2), platform.zone)}


def _lines_left(order: Json) -> list[Json]:
    """What a customer still has of an order; everything, where nothing is left."""
    lines = order["products"]
    left = [line for line in lines if line["quantity"] and line["status"]] or lines
    return [{"product_id": line["product_id"], "quantity": line["quantity"] or 1} for line in left]


def _return_line(given: Mapping[str, Any], reason: int, sequences: Sequences) -> Json:
    product_id = str(given.get("product_id", catalogue.PRODUCTS[0].product_id))
    default: Json = {
        "id": given.get("id") or sequences.rma_line(),
        "product_emag_id": catalogue.product_emag_id(product_id),
        "product_id": product_id,
        "quantity": 1,
        "product_name": catalogue.product(product_id).name,
        "return_reason": reason,
        "observations": _TEXT,
        "diagnostic": None,
        "reject_reason": None,
        "refund_value": None,
        "retained_amount": 0,
    }
    return {**default, **given, "product_id": product_id}


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
