"""How bodies are kept in the call record: sealed with the seller's key, or redacted without one."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import orjson

from integrations.emag.masking import masked

_SHORT = 16_384  # bytes

# What may be kept without a key: the fields of requests and envelopes; of orders; of their lines
# and vouchers; of returns; of attachments and invoices that say nothing of a customer (API facts:
# Response envelope; Order object; RMA object; Invoices and attachments). Whatever stands under
# another name, or has one that eMAG invents tomorrow, is not kept.
_HARMLESS = """
    data isError results invoices total_results noOfItems noOfPages itemsPerPage currentPage
    createdAfter createdBefore modifiedAfter modifiedBefore date_start date_end

    id vendor_name parent_id type date created modified payment_mode payment_mode_id
    detailed_payment_method delivery_payment_mode delivery_mode status payment_status
    is_complete products shipping_tax shipping_tax_voucher_split vouchers attachments
    cashed_co cashed_cod cancellation_request has_editable_products refunded_amount
    refund_status is_storno reason_cancellation cancellation_reason maximum_date_for_shipment
    late_shipment flags flag emag_club weekend_delivery finalization_date
    enforced_vendor_courier_accounts currency invoice_storno_id invoice_storno_date

    product_id mkt_id name ext_part_number part_number part_number_key quantity initial_qty
    storno_qty retained_amount sale_price sale_price_vat original_price vat vat_rate
    reversible_vat_charging product_voucher_split recycle_warranties
    recycle_warranty_voucher_split product_name voucher_id voucher_name value vat_value
    offered_by issue_date campaign

    emag_id order_id is_full_fbe is_club is_fast return_parent_id vendor_id pickup_method
    replacement_product_emag_id replacement_product_id replacement_product_name
    replacement_product_quantity request_status request_status_reason return_type
    return_reason product_emag_id reject_reason refund_value extra_info
    maximum_finalization_date first_pickup_date estimated_product_pickup
    estimated_product_reception return_tax_value return_address_id country address_type awbs
    reservation_id status_history code event_date requests amount refund_type rma_id
    status_date finalized_with_incident courier_name

    order_type order_product_id force_download visibility category number reversal_for lines
    unit_of_measure unit_price payment_term total_without_vat total_vat_value total_with_vat
"""
HARMLESS = frozenset(_HARMLESS.split())

# What eMAG says to people: kept, with e-mail addresses, phone numbers and IBANs taken out.
MESSAGES = frozenset({"messages", "message", "errors", "error", "text", "description", "field"})

REDACTED = "[redacted]"

_NESTED = frozenset({dict, list})


class Kept(StrEnum):
    """What can be seen of a body in the call record."""

    WHOLE = "whole"
    REDACTED = "redacted"
    OTHER_KEY = "sealed with another key"
    NO_KEY = "sealed, and no key is set"
    NOTHING = "nothing was recorded"


@dataclass(frozen=True)
class Body:
    """A body as it is kept. `content` is what it says; while it stays sealed, the sealed bytes."""

    kept: Kept
    content: bytes

    @property
    def value(self) -> Any:
        """Its JSON value; None where there is none to be read."""
        if self.kept not in (Kept.WHOLE, Kept.REDACTED):
            return None
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None


class Sealer(Protocol):
    """What encrypts and decrypts, such as a Fernet."""

    def encrypt(self, data: bytes) -> bytes: ...

    def decrypt(self, token: bytes) -> bytes: ...


def sealer_of(keys: Sequence[str]) -> Sealer | None:
    """What seals with the first of these Fernet keys and opens with all; None without any."""
    if not keys:
        return None
    from cryptography.fernet import Fernet, MultiFernet

    return MultiFernet([Fernet(key) for key in keys])


def keep(body: Any, sealer: Sealer | None) -> bytes:
    """A body (JSON value, or the bytes of an unreadable one) in the form it is stored in."""
    if sealer is not None:
        plain = body if isinstance(body, bytes) else _json(body)
        return sealer.encrypt(_packed(plain))
    return _packed(_redacted_json(body))


def _packed(plain: bytes) -> bytes:
    """For a short text zlib's usual tables take longer to set up than to use."""
    window, memory = (13, 6) if len(plain) < _SHORT else (15, 8)
    packer = zlib.compressobj(1, wbits=window, memLevel=memory)
    return packer.compress(plain) + packer.flush()


def _redacted_json(body: Any) -> bytes:
    try:
        return _json(redacted(orjson.loads(body) if isinstance(body, bytes) else body))
    except orjson.JSONDecodeError:
        return f"[{len(body)} bytes that are not JSON]".encode()
    except RecursionError:
        return b"[JSON that is nested too deeply]"


def _json(value: Any) -> bytes:
    """A value as JSON; orjson knows no lone surrogates, no long numbers and no deep nesting."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def unseal(stored: bytes, sealer: Sealer | None) -> bytes:
    """The kept body's bytes; `sealer` must be the one it was kept with."""
    return zlib.decompress(sealer.decrypt(stored) if sealer is not None else stored)


def open_body(stored: bytes | None, sealed: bool, sealer: Sealer | None) -> Body:
    """A body of the call record, opened as far as that is possible."""
    from cryptography.fernet import InvalidToken

    if stored is None:
        return Body(Kept.NOTHING, b"")
    if not sealed:
        return Body(Kept.REDACTED, unseal(stored, None))
    if sealer is None:
        return Body(Kept.NO_KEY, stored)
    try:
        return Body(Kept.WHOLE, unseal(stored, sealer))
    except InvalidToken:
        return Body(Kept.OTHER_KEY, stored)


def redacted(value: Any) -> Any:
    """The same JSON value with everything replaced that may belong to a customer."""
    if isinstance(value, dict):
        return {
            key: (redacted(each) if type(each) in _NESTED else each)
            if key in HARMLESS
            else _redacted(key, each)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [redacted(each) if type(each) in _NESTED else each for each in value]
    return value


def _redacted(key: str, value: Any) -> Any:
    if key in MESSAGES:
        return _masked(value)
    return REDACTED if value else value


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return redacted(value)
