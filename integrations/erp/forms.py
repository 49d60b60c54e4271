"""What a program may hand in as a row of the ERP's, checked before anything is written.

The fields are the ERP's columns. A form that only changes a row leaves out what stays as it is.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from integrations.erp.load import HIGHEST_ORDER, order_number
from integrations.erp.write import Value

ReturnStatus = Literal["pending", "approved", "rejected", "processing", "completed", "cancelled"]
CancellationStatus = ReturnStatus
RefundStatus = Literal["pending", "processing", "completed", "failed", "partial"]
InvoiceStatus = Literal["draft", "issued", "sent", "paid", "overdue", "cancelled", "refunded"]
InvoiceType = Literal["sales_invoice", "credit_note", "proforma_invoice", "corrected_invoice"]
ReturnReason = Literal[
    "defective_product",
    "wrong_item",
    "damaged_in_transit",
    "customer_dissatisfaction",
    "late_delivery",
    "other",
]
CancellationReason = Literal[
    "customer_request",
    "payment_failed",
    "inventory_unavailable",
    "shipping_delay",
    "fraud_suspected",
    "administrative",
    "other",
]


def _order(value: object) -> object:
    """An eMAG order as the ERP holds it; raises ValueError for what can be none."""
    text = str(_plain(value)).strip()
    if not order_number(text):
        raise ValueError(f"must be eMAG's number of an order, 1 to {HIGHEST_ORDER}")
    return text


def _plain(value: object) -> object:
    """A whole number however it is written: to JSON, 480000101.0 is one, too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _word(value: object) -> object:
    """An enum's member, or a word in any case, as the word in small letters."""
    plain = getattr(value, "value", value)
    return plain.lower() if isinstance(plain, str) else plain


def _code(value: object) -> object:
    plain = _word(value)
    return plain.upper() if isinstance(plain, str) else plain


def _whole(value: object) -> object:
    """Anything but true and false, which count as numbers in Python."""
    if value is True or value is False:
        raise ValueError("must be a whole number")
    return value


def _product(value: object) -> object:
    number = _plain(_whole(value))
    if isinstance(number, int) and not 0 <= number <= LARGEST_ID:
        raise ValueError(f"must be the ERP's id of a product, 0 to {LARGEST_ID}")
    return number


def _legible(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


def _dated(value: object) -> object:
    """No number, in a text or not: it would be taken for seconds since 1970."""
    if isinstance(value, date) or (isinstance(value, str) and _DAY.match(value)):
        return value
    raise ValueError("must be a day or a moment, like 2026-11-28 or 2026-11-28T10:00:00Z")


def _moment(value: date) -> date:
    """The moment or day; raises ValueError where UTC has no such year."""
    try:
        if isinstance(value, datetime):
            value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be in the years 1 to 9999 in UTC") from None
    return value


def _shown_as(pattern: str, least: int, most: int) -> WithJsonSchema:
    """How OpenAPI describes what is taken as a text and, where it is whole, as a number."""
    text = {"type": "string", "pattern": pattern}
    return WithJsonSchema({"anyOf": [text, {"type": "integer", "minimum": least, "maximum": most}]})


LARGEST_ID = 2**63 - 1

# A number of JSON's may be a float on its way here, which is exact so far.
LARGEST_EXACT = 2**53 - 1

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

# OpenAPI is to say what is taken, not what Python's types are called: amounts as texts, since a
# number of JSON's is a float (one with few enough decimals is taken, too).
Order = Annotated[
    str,
    BeforeValidator(_order),
    _shown_as(r"^[1-9][0-9]{0,8}$", 1, HIGHEST_ORDER),
]
Money = Annotated[
    Decimal,
    Field(ge=0, max_digits=12, decimal_places=2),
    _shown_as(r"^[0-9]{1,10}(\.[0-9]{1,2})?$", 0, 10**10 - 1),
]
Quantity = Annotated[
    Decimal,
    Field(gt=0, max_digits=12, decimal_places=3),
    _shown_as(r"^[1-9][0-9]{0,8}(\.[0-9]{1,3})?$", 1, 10**9 - 1),
]
Currency = Annotated[Literal["RON", "EUR", "HUF", "BGN"], BeforeValidator(_code)]
Account = Annotated[str, Field(min_length=1, max_length=10)]
Name = Annotated[str, Field(max_length=255)]
Number = Annotated[
    str,
    Field(min_length=1, max_length=50),
    AfterValidator(_legible),
    WithJsonSchema({"type": "string", "maxLength": 50, "pattern": r"[0-9A-Za-z]"}),
]
Text = Annotated[str, Field(max_length=10_000)]
Address = Annotated[str, Field(max_length=1024, pattern=r"^https?://")]
Id = Annotated[
    int,
    Field(ge=1, le=LARGEST_ID),
    BeforeValidator(_whole),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_EXACT}),
]
EmagReturn = Annotated[int, Field(ge=1, le=HIGHEST_ORDER), BeforeValidator(_whole)]
Moment = Annotated[datetime | date, BeforeValidator(_dated), AfterValidator(_moment)]
Product = Annotated[
    str | int,
    Field(union_mode="left_to_right"),
    BeforeValidator(_product),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0, "maximum": LARGEST_EXACT}]}
    ),
]
ReturnWord = Annotated[ReturnStatus, BeforeValidator(_word)]


class Form(BaseModel):
    """What all forms share: unknown fields are refused, objects are read by their attributes."""

    model_config = ConfigDict(extra="forbid", from_attributes=True, frozen=True)

    def values(self) -> dict[str, Value]:
        """The columns and what they are to hold, without items."""
        given = self.model_dump(exclude_none=True, exclude={"items"})
        return {name: _value(value) for name, value in given.items()}


class ItemForm(Form):
    """One product of a return or of a cancellation; without a quantity the whole line is meant."""

    product_id: Product | None = None
    sku: Annotated[str, Field(max_length=100)] | None = None
    product_name: Name | None = None
    quantity: Quantity | None = None
    unit_price: Money | None = None
    total_amount: Money | None = None
    emag_item_id: Annotated[str, Field(max_length=100)] | None = None


class ReturnForm(Form):
    """A return that the ERP takes back; only the customer opens one at eMAG."""

    emag_order_id: Order
    return_number: Number | None = None
    customer_name: Name | None = None
    customer_email: Name | None = None
    customer_phone: Annotated[str, Field(max_length=20)] | None = None
    status: ReturnWord = "pending"
    reason: Annotated[ReturnReason, BeforeValidator(_word)] = "other"
    reason_description: Text | None = None
    refund_amount: Money | None = None
    emag_return_id: Annotated[str, Field(pattern=r"^[0-9]{1,10}$")] | None = None
    account_type: Account | None = None
    internal_notes: Text | None = None
    customer_notes: Text | None = None
    items: list[ItemForm] = Field(default_factory=list, max_length=500)


class DecisionForm(Form):
    """A decision about a return that the ERP holds."""

    status: ReturnWord


class CancellationForm(Form):
    """A cancellation of an order, or of the items that are named."""

    emag_order_id: Order
    cancellation_number: Number | None = None
    customer_name: Name | None = None
    customer_email: Name | None = None
    status: Annotated[CancellationStatus, BeforeValidator(_word)] = "pending"
    reason: Annotated[CancellationReason, BeforeValidator(_word)] = "other"
    reason_description: Text | None = None
    cancellation_fee: Money | None = None
    refund_amount: Money | None = None
    currency: Currency | None = None
    refund_status: Annotated[RefundStatus, BeforeValidator(_word)] = "pending"
    account_type: Account | None = None
    internal_notes: Text | None = None
    items: list[ItemForm] = Field(default_factory=list, max_length=500)


class InvoiceForm(Form):
    """An invoice whose document is attached to its order; `pdf_url` may follow later."""

    emag_order_id: Order
    invoice_number: Number
    invoice_type: Annotated[InvoiceType, BeforeValidator(_word)] = "sales_invoice"
    status: Annotated[InvoiceStatus, BeforeValidator(_word)] = "issued"
    customer_name: Name | None = None
    customer_email: Name | None = None
    company_name: Name | None = None
    company_tax_id: Annotated[str, Field(max_length=50)] | None = None
    invoice_date: Moment | None = None
    due_date: Moment | None = None
    subtotal: Money | None = None
    tax_amount: Money | None = None
    total_amount: Money | None = None
    currency: Currency | None = None
    pdf_url: Address | None = None
    account_type: Account | None = None


def _value(value: Any) -> Value:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | Decimal | bool | datetime) else str(value)
