"""The fields that eMAG is known to send (API facts: Order object; RMA object; Invoices).

It adds fields without notice, and a field that is read wrongly costs more than one that isn't read:
what is not listed here is nothing wrong, but somebody should know that it came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from integrations.emag.wire import Raw


@dataclass(frozen=True)
class Entity:
    """The names of an object's fields, and what those that hold objects are made of."""

    fields: frozenset[str]
    parts: Mapping[str, Entity] = field(default_factory=dict)


def _entity(names: str, **parts: Entity) -> Entity:
    return Entity(frozenset(names.split()) | parts.keys(), MappingProxyType(parts))


_VOUCHER_SPLIT = _entity("voucher_id value vat_value vat offered_by voucher_name")

_ATTACHMENT = _entity(
    "order_id order_type order_product_id name url type force_download visibility"
)

_CUSTOMER = _entity("""
    id mkt_id name company gender code registration_number bank iban fax email legal_entity
    is_vat_payer phone_1 phone_2 phone_3 liable_person created modified
    billing_name billing_phone billing_country billing_suburb billing_city billing_locality_id
    billing_street billing_postal_code
    shipping_country shipping_suburb shipping_city shipping_locality_id shipping_street
    shipping_postal_code shipping_contact shipping_phone
""")

_ORDER_LINE = _entity(
    """
    id product_id mkt_id name status ext_part_number part_number part_number_key currency quantity
    initial_qty storno_qty retained_amount sale_price original_price vat reversible_vat_charging
    details serial_numbers campaign created modified
    """,
    product_voucher_split=_VOUCHER_SPLIT,
    recycle_warranties=_entity(
        "quantity sale_price vat_rate product_name", recycle_warranty_voucher_split=_VOUCHER_SPLIT
    ),
    attachments=_ATTACHMENT,
)

_ORDER = _entity(
    """
    id vendor_name parent_id type date created modified payment_mode payment_mode_id
    detailed_payment_method delivery_payment_mode delivery_mode observation status payment_status
    is_complete shipping_tax proforms cashed_co cashed_cod cancellation_request
    has_editable_products refunded_amount refund_status is_storno maximum_date_for_shipment
    late_shipment emag_club weekend_delivery finalization_date enforced_vendor_courier_accounts
    currency invoice_storno_url invoice_storno_id invoice_storno_date
    """,
    customer=_CUSTOMER,
    products=_ORDER_LINE,
    attachments=_ATTACHMENT,
    shipping_tax_voucher_split=_VOUCHER_SPLIT,
    vouchers=_entity("""
        id voucher_id status sale_price sale_price_vat vat voucher_name created modified issue_date
    """),
    flags=_entity("flag value"),
    reason_cancellation=_entity("id name"),
    details=_entity("""
        locker_id locker_name locker_delivery_eligible courier_external_office_id courier_name
    """),
)

_REFUND = _entity("amount created refund_type refund_status rma_id status_date currency")

_RETURN = _entity(
    """
    emag_id order_id type is_full_fbe is_club is_fast return_parent_id vendor_id
    customer_name customer_company customer_phone
    pickup_country pickup_suburb pickup_city pickup_address pickup_zipcode pickup_locality_id
    pickup_address_id pickup_date pickup_method
    customer_account_iban customer_account_bank customer_account_beneficiary
    replacement_product_emag_id replacement_product_id replacement_product_name
    replacement_product_quantity
    observations request_status request_status_reason return_type return_reason date
    return_tax_value swap return_address_id country address_type return_address_snapshot currency
    finalized_with_incident courier_name
    """,
    products=_entity("""
        id product_emag_id product_id quantity product_name return_reason observations diagnostic
        reject_reason refund_value retained_amount
    """),
    extra_info=_entity("""
        maximum_finalization_date first_pickup_date estimated_product_pickup
        estimated_product_reception
    """),
    awbs=_entity("reservation_id"),
    status_history=_entity("code event_date", requests=_REFUND),
    request_history=_entity("id user action action_type source date"),
    locker=_entity("locker_hash locker_pin locker_pin_interval_end"),
)

_PARTY = _entity("""
    name register_number cif tax_code social_capital iban bank country address phone_number
""")

_INVOICE = _entity(
    """
    category name number date is_storno payment_term total_without_vat total_vat_value
    total_with_vat currency order_id reversal_for
    """,
    supplier=_PARTY,
    customer=_PARTY,
    lines=_entity("product_name unit_of_measure quantity unit_price vat_rate value vat_value"),
)

_COUNT = _entity("noOfItems noOfPages itemsPerPage")

KNOWN: Final[Mapping[str, Entity]] = MappingProxyType(
    {
        "order/read": _ORDER,
        "order/count": _COUNT,
        "order/attachments/read": _ATTACHMENT,
        "rma/read": _RETURN,
        "rma/count": _COUNT,
        "invoice/read": _INVOICE,
        "customer-invoice/read": _INVOICE,
    }
)
"""By the path of the route that reads them."""


def unknown_fields(path: str, rows: Sequence[Raw]) -> Counter[str]:
    """How often each field was met that the route is not known to send, as "products.name"."""
    found: Counter[str] = Counter()
    if path in KNOWN:
        _compare(KNOWN[path], rows, "", found)
    return found


def _compare(entity: Entity, rows: Iterable[Raw], path: str, found: Counter[str]) -> None:
    rows = list(rows)
    for row in rows:
        if not row.keys() <= entity.fields:
            found.update(f"{path}{name}" for name in row.keys() - entity.fields)
    for name, part in entity.parts.items():
        below = [each for row in rows if (value := row.get(name)) for each in _objects(value)]
        if below:
            _compare(part, below, f"{path}{name}.", found)


def _objects(value: Any) -> Iterable[Raw]:
    """The objects of a PHP list: a list, an object with numbered keys, or one object."""
    if isinstance(value, dict):
        if not all(key.isdecimal() for key in value):
            return (value,)
        value = list(value.values())
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()
