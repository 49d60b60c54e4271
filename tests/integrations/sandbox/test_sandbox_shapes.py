"""The keys of what goes out, against those that clients and documents have recorded."""

from __future__ import annotations

from typing import Any

from .conftest import ORDER, RETURN, Seller

ENVELOPE = {"isError", "messages", "errors", "results"}

ORDER_KEYS = """
vendor_name id parent_id type date payment_mode payment_mode_id detailed_payment_method
delivery_mode delivery_payment_mode observation status payment_status customer products
shipping_tax shipping_tax_voucher_split vouchers proforms attachments cashed_co cashed_cod
cancellation_request has_editable_products refunded_amount is_complete reason_cancellation
refund_status maximum_date_for_shipment late_shipment flags emag_club finalization_date details
weekend_delivery enforced_vendor_courier_accounts created modified currency
"""
CUSTOMER_KEYS = """
id mkt_id name email company gender code registration_number bank iban fax legal_entity
is_vat_payer phone_1 phone_2 phone_3 billing_name billing_phone billing_country billing_suburb
billing_city billing_locality_id billing_street billing_postal_code liable_person
shipping_country shipping_suburb shipping_city shipping_locality_id shipping_street
shipping_postal_code shipping_contact shipping_phone created modified
"""
LINE_KEYS = """
id product_id mkt_id name product_voucher_split status ext_part_number part_number
part_number_key currency vat retained_amount quantity initial_qty storno_qty
reversible_vat_charging sale_price original_price created modified details recycle_warranties
attachments serial_numbers campaign
"""
RETURN_KEYS = """
is_full_fbe emag_id return_parent_id order_id type is_club is_fast customer_name customer_company
customer_phone pickup_country pickup_suburb pickup_city pickup_address pickup_zipcode
pickup_locality_id pickup_method customer_account_iban customer_account_bank
customer_account_beneficiary replacement_product_emag_id replacement_product_id
replacement_product_name replacement_product_quantity observations request_status return_type
return_reason date products extra_info return_tax_value swap return_address_id country
address_type return_address_snapshot awbs status_history request_history locker
request_status_reason currency finalized_with_incident courier_name
"""
RETURN_LINE_KEYS = """
id product_emag_id product_id quantity product_name return_reason observations diagnostic
reject_reason refund_value retained_amount
"""
INVOICE_KEYS = """
category name number date is_storno supplier customer lines payment_term total_without_vat
total_vat_value total_with_vat currency
"""
INVOICE_LINE_KEYS = """
product_name unit_of_measure quantity unit_price vat_rate value vat_value
"""
ATTACHMENT_KEYS = "order_id order_type name url type force_download visibility"


def keys(text: str) -> set[str]:
    return set(text.split())


def kinds(row: dict[str, Any], *names: str) -> list[type]:
    return [type(row[name]) for name in names]


async def test_orders(seller: Seller) -> None:
    seller.market.add_order({"id": ORDER, "products": [{"product_id": "1002", "quantity": 2}]})
    answer = await seller.post("order/read", {"id": ORDER})
    assert set(answer) == ENVELOPE
    (order,) = answer["results"]
    assert set(order) == keys(ORDER_KEYS)
    assert set(order["customer"]) == keys(CUSTOMER_KEYS)
    (line,) = order["products"]
    assert set(line) == keys(LINE_KEYS)
    assert kinds(order, "id", "status", "shipping_tax", "refunded_amount") == [int, int, float, str]
    assert kinds(line, "id", "product_id", "quantity", "sale_price") == [int, str, int, str]
    assert set(line["recycle_warranties"][0]) == keys(
        "quantity sale_price vat_rate product_name recycle_warranty_voucher_split"
    )


async def test_returns(seller: Seller) -> None:
    seller.market.add_return({"emag_id": RETURN})
    answer = await seller.post("rma/read", {"emag_id": RETURN})
    assert set(answer) == ENVELOPE
    (rma,) = answer["results"]
    assert set(rma) == keys(RETURN_KEYS)
    assert set(rma["products"][0]) == keys(RETURN_LINE_KEYS)
    assert kinds(rma, "emag_id", "order_id", "request_status") == [int, str, int]
    assert kinds(rma["products"][0], "product_id", "quantity") == [str, int]
    assert set(rma["extra_info"]) == keys(
        "maximum_finalization_date first_pickup_date estimated_product_pickup"
        " estimated_product_reception"
    )
    assert set(rma["request_history"][0]) == keys("id date user action action_type source")
    assert set(rma["status_history"][0]) == keys("code event_date requests")


async def test_attachments(seller: Seller) -> None:
    seller.market.add_order({"id": ORDER, "attachments": [{"url": "https://x.example/1.pdf"}]})
    answer = await seller.post("order/attachments/read", {"order_id": ORDER, "order_type": 3})
    assert set(answer) == ENVELOPE
    assert set(answer["results"][0]) == keys(ATTACHMENT_KEYS)
    assert (await seller.order())["attachments"] == answer["results"]


async def test_invoices(seller: Seller) -> None:
    seller.market.add_issued_invoice({"category": "FC"})
    seller.market.add_issued_invoice({"category": "storno", "order_id": ORDER})
    own = (await seller.post("invoice/read"))["results"]
    assert set(own) == {"total_results", "invoices"}
    assert set(own["invoices"][0]) == keys(INVOICE_KEYS)
    assert set(own["invoices"][0]["lines"][0]) == keys(INVOICE_LINE_KEYS)
    assert own["invoices"][0]["number"].startswith("C-MKTP-")
    customers = (await seller.post("customer-invoice/read"))["results"]["invoices"]
    assert set(customers[0]) == keys(INVOICE_KEYS) | {"order_id", "reversal_for"}
    assert (customers[0]["is_storno"], customers[0]["total_with_vat"]) == (1, -121)
    categories = (await seller.post("invoice/categories"))["results"]
    assert [row["category"] for row in categories] == ["FC", "FCA", "FCSA", "FCD", "FTA"]


async def test_nothing_found_is_an_empty_list(seller: Seller) -> None:
    answer = await seller.post("order/read", {"id": 1, "type": 3})
    assert answer == {"isError": False, "messages": [], "errors": [], "results": []}


async def test_what_is_given_is_kept_and_the_rest_is_completed(seller: Seller) -> None:
    seller.market.add_order(
        {
            "id": ORDER,
            "status": 0,
            "reason_cancellation": 33,
            "customer": {"name": "Ana Inventat"},
            "products": [{"product_id": "1001", "quantity": 2}, {"product_id": "X9", "id": 5}],
            "details": {"locker_id": "1"},
        }
    )
    order = await seller.order()
    assert order["reason_cancellation"]["id"] == 33
    assert order["customer"]["name"] == "Ana Inventat"
    assert [(line["product_id"], line["quantity"]) for line in order["products"]] == [
        ("1001", 2),
        ("X9", 1),
    ]
    assert order["products"][1]["id"] == 5
    assert order["details"] == {"locker_id": "1"}
