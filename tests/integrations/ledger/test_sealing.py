"""Bodies in the call record: sealed with a key, free of customers' data without one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from cryptography.fernet import Fernet, InvalidToken

from integrations.ledger.sealing import (
    REDACTED,
    Body,
    Kept,
    keep,
    open_body,
    sealer_of,
    unseal,
)

KEY = Fernet.generate_key().decode()

# Every field of eMAG's objects (API facts: Order object; RMA object; Invoices and attachments); what
# belongs to a customer says so.
CUSTOMER: dict[str, Any] = {
    **dict.fromkeys(
        "name company gender code registration_number bank iban fax email phone_1 phone_2 phone_3"
        " billing_name billing_phone billing_country billing_suburb billing_city billing_street"
        " billing_locality_id billing_postal_code shipping_country shipping_suburb shipping_city"
        " shipping_locality_id shipping_street shipping_postal_code shipping_contact shipping_phone"
        " liable_person created modified".split(),  # noqa: SIM905 - a list of thirty is no clearer
        "PRIVATE",
    ),
    **{"id": 9, "mkt_id": 9, "legal_entity": 0, "is_vat_payer": 0},
}
LINE: dict[str, Any] = {
    **{"id": 7, "product_id": "1001", "mkt_id": 65, "name": "Cana", "status": 1},
    **{"ext_part_number": "C", "part_number": "C", "part_number_key": "D", "currency": "RON"},
    **{"quantity": 2, "initial_qty": 2, "storno_qty": 0, "retained_amount": 0},
    **{"sale_price": "82.6446", "original_price": "82.6446", "vat": "0.2100"},
    **{"reversible_vat_charging": 0, "created": "2026-03-10", "modified": "2026-03-10"},
    **{"details": [], "attachments": [], "serial_numbers": None, "campaign": None},
    "product_voucher_split": [
        {"voucher_id": 5, "value": "-9.9", "vat_value": "-2", "vat": "0.21", "offered_by": "eMAG"}
    ],
    "recycle_warranties": [
        {"quantity": 1, "sale_price": 0.5, "vat_rate": 0, "product_name": "Taxa SGR"}
    ],
}
ORDER: dict[str, Any] = {
    **{"vendor_name": "Magazin", "id": 480000101, "parent_id": None, "type": 3},
    **{"date": "2026-03-10 14:21:00", "created": "2026-03-10", "modified": "2026-03-10"},
    **{"payment_mode": "CARD online", "payment_mode_id": 3, "detailed_payment_method": "eCREDIT"},
    **{"delivery_payment_mode": None, "delivery_mode": "pickup", "observation": "PRIVATE"},
    **{"status": 2, "payment_status": 1, "is_complete": 1, "customer": CUSTOMER},
    **{"products": [LINE], "shipping_tax": 19.99, "vouchers": [{"id": "8", "status": "1"}]},
    **{"shipping_tax_voucher_split": [{"voucher_id": 5, "value": "-2.4", "vat_value": "-0.5"}]},
    **{"proforms": [{"name": "PRIVATE"}], "cashed_co": None, "cashed_cod": 0},
    **{"attachments": [{"name": "Factura 12", "type": 1, "url": "https://x/PRIVATE.pdf"}]},
    **{"cancellation_request": "2026-03-11 10:00:00", "has_editable_products": 0},
    **{"refunded_amount": "0", "refund_status": None, "is_storno": False},
    **{"reason_cancellation": {"id": 33, "name": "stoc"}, "late_shipment": 0, "emag_club": 1},
    **{"maximum_date_for_shipment": "2026-03-12", "flags": [{"flag": "x", "value": "y"}]},
    **{"weekend_delivery": 0, "finalization_date": None, "currency": "RON"},
    **{"details": {"locker_id": "PRIVATE", "locker_name": "PRIVATE"}},
    **{"enforced_vendor_courier_accounts": [4], "invoice_storno_id": 4},
    "invoice_storno_url": "https://x/PRIVATE.pdf",
}
RETURN: dict[str, Any] = {
    **{"emag_id": 52000077, "order_id": "480000101", "type": 3, "is_full_fbe": 0, "is_club": 1},
    **{"is_fast": 0, "return_parent_id": None, "vendor_id": 3, "customer_name": "PRIVATE"},
    **{"customer_company": "PRIVATE", "customer_phone": "PRIVATE", "pickup_country": "PRIVATE"},
    **{"pickup_suburb": "PRIVATE", "pickup_city": "PRIVATE", "pickup_address": "PRIVATE"},
    **{"pickup_zipcode": "PRIVATE", "pickup_locality_id": "PRIVATE", "pickup_method": 1},
    **{"pickup_address_id": "PRIVATE", "pickup_date": "PRIVATE"},
    **{"customer_account_iban": "PRIVATE", "customer_account_bank": "PRIVATE"},
    **{"customer_account_beneficiary": "PRIVATE", "replacement_product_quantity": 0},
    **{"replacement_product_emag_id": None, "replacement_product_id": "0"},
    **{"replacement_product_name": None, "observations": "PRIVATE", "request_status": 6},
    **{"return_type": 3, "return_reason": 124, "request_status_reason": None},
    **{"date": "2026-03-18 09:12:40", "return_tax_value": "15.0000", "swap": "PRIVATE"},
    "products": [
        {
            **{"id": 61, "product_emag_id": 65, "product_id": "1001", "quantity": 1},
            **{"product_name": "Cana", "return_reason": 124, "observations": "PRIVATE"},
            **{"diagnostic": "PRIVATE", "reject_reason": 2, "refund_value": "1.0"},
            "retained_amount": 0,
        }
    ],
    "extra_info": {"maximum_finalization_date": "2026-04-01", "first_pickup_date": "2026-03-19"},
    **{"return_address_id": 345, "country": "RO", "address_type": "return"},
    **{"return_address_snapshot": "PRIVATE", "awbs": [{"reservation_id": 45}]},
    "status_history": [
        {
            **{"code": "confirmation", "event_date": "2026-03-18 09:12:41"},
            "requests": [{"amount": 1, "refund_type": "x", "refund_status": "y", "rma_id": 5}],
        }
    ],
    "request_history": [{"id": 1, "user": "PRIVATE", "action": "PRIVATE", "source": "UI"}],
    "locker": {"locker_hash": "PRIVATE", "locker_pin": "PRIVATE"},
    **{"currency": "RON", "finalized_with_incident": False, "courier_name": "SAMEDAY"},
}
PARTY = dict.fromkeys(("name", "cif", "iban", "bank", "address", "phone_number"), "PRIVATE")
INVOICE: dict[str, Any] = {
    **{"category": "storno", "name": None, "number": "EXF100010", "date": "2026-02-28"},
    **{"is_storno": 1, "supplier": PARTY, "customer": PARTY, "payment_term": 0},
    "lines": [{"product_name": "Cana", "unit_of_measure": "Buc", "quantity": -1, "vat_rate": 21}],
    **{"total_without_vat": -82.6, "total_vat_value": -17.3, "total_with_vat": -100},
    **{"currency": "RON", "order_id": 480000101, "reversal_for": "EXF100001"},
}
ATTACHMENT: dict[str, Any] = {
    **{"order_id": 480000101, "order_type": 3, "order_product_id": 7, "name": "Factura 12"},
    **{"url": "https://x/PRIVATE.pdf", "type": 1, "force_download": 0, "visibility": "customer"},
}
OBJECTS = {"order": ORDER, "return": RETURN, "invoice": INVOICE, "attachment": ATTACHMENT}


@pytest.mark.parametrize("name", OBJECTS)
def test_without_a_key_nothing_of_a_customers_is_kept(name: str) -> None:
    body = {"isError": False, "results": [OBJECTS[name]]}

    assert b"PRIVATE" not in unseal(keep([OBJECTS[name]], None), None)
    assert b"PRIVATE" not in unseal(keep(body, None), None)
    assert b"PRIVATE" not in unseal(keep(orjson.dumps(body), None), None)


@pytest.mark.parametrize("name", OBJECTS)
def test_without_a_key_everything_else_is_kept(name: str) -> None:
    kept = orjson.loads(unseal(keep(OBJECTS[name], None), None))

    for key, value in OBJECTS[name].items():
        if b"PRIVATE" not in orjson.dumps(value):
            assert kept[key] == value, key
    assert all(kept[key] is None for key, value in OBJECTS[name].items() if value is None)


def test_without_a_key_a_field_that_nobody_knows_is_not_kept() -> None:
    kept = orjson.loads(unseal(keep({"id": 1, "nickname": "Nelu", "floor": 4}, None), None))

    assert kept == {"id": 1, "nickname": REDACTED, "floor": REDACTED}


def test_without_a_key_messages_are_kept_without_addresses_and_numbers() -> None:
    said = ["ERROR: 0700 000 001 is no phone", {"text": "a@b.ro is wrong", "field": "email"}]
    kept = orjson.loads(unseal(keep({"isError": True, "messages": said}, None), None))

    assert kept["messages"] == [
        "ERROR: *** is no phone",
        {"text": "*** is wrong", "field": "email"},
    ]


def test_a_body_that_is_nested_too_deeply_is_kept_only_under_a_key() -> None:
    deep = b"[" * 1000 + b"]" * 1000
    key = Fernet(Fernet.generate_key())

    assert unseal(keep(deep, key), key) == deep
    assert unseal(keep(deep, None), None) == b"[JSON that is nested too deeply]"


def test_with_a_key_the_whole_body_is_kept_and_only_the_key_opens_it() -> None:
    key = Fernet(Fernet.generate_key())
    sealed = keep(ORDER, key)
    assert b"PRIVATE" not in sealed
    assert orjson.loads(unseal(sealed, key)) == ORDER
    with pytest.raises(InvalidToken):
        unseal(sealed, Fernet(Fernet.generate_key()))


def test_a_body_that_is_not_json_is_kept_only_under_a_key() -> None:
    page = b"<html>Ioana 0700000001</html>"
    key = Fernet(Fernet.generate_key())
    assert unseal(keep(page, key), key) == page
    assert unseal(keep(page, None), None) == b"[29 bytes that are not JSON]"


def test_the_first_key_seals_and_all_of_them_open() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    before, rotated = sealer_of([old]), sealer_of([new, old])

    assert open_body(keep(ORDER, before), True, rotated).value == ORDER
    assert open_body(keep(ORDER, rotated), True, sealer_of([new])).value == ORDER
    assert sealer_of([]) is None


def test_what_can_be_seen_of_a_body_is_said() -> None:
    key, other = sealer_of([Fernet.generate_key().decode()]), sealer_of([KEY])
    sealed = keep(ORDER, key)

    assert open_body(sealed, True, key).kept is Kept.WHOLE
    assert open_body(sealed, True, other) == Body(Kept.OTHER_KEY, sealed)
    assert open_body(sealed, True, None).kept is Kept.NO_KEY
    assert open_body(keep(ORDER, None), False, key).kept is Kept.REDACTED
    assert open_body(None, True, key) == Body(Kept.NOTHING, b"")


@pytest.mark.parametrize("content", [b"<html>", b"[" * 5000, b"\xff"])
def test_a_body_that_is_no_json_has_no_value(content: bytes) -> None:
    assert Body(Kept.WHOLE, content).value is None
