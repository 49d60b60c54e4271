"""What the ERP is told about a return, read from what eMAG sent.

Numbers come as texts, nothing is sure to be there, and only what could be read wrongly makes a
return unusable (API facts: RMA object; Refunds).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import Enum
from hashlib import blake2b
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from integrations.emag.wire import (
    Raw,
    Return,
    WireError,
    entries,
    plain_text,
    read_return,
    whole_number,
)

HIGHEST: Final = 4_294_967_295
LARGEST_AMOUNT: Final = Decimal(10) ** 9

_CENT: Final = Decimal("0.01")
_VOUCHER: Final = 5


class Paid(Enum):
    """What eMAG says of a refund request."""

    YES = "yes"
    NOT_YET = "not yet"
    NEVER = "never"


# eMAG documents no values; what is not here is noted as unknown and not believed.
REFUND_WORDS: Final[Mapping[str, Paid]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("refunded", "paid", "completed", "complete", "finalized", "finished", "processed"),
            Paid.YES,
        ),
        **dict.fromkeys(("done", "success", "successful", "approved_and_paid"), Paid.YES),
        **dict.fromkeys(
            ("new", "pending", "requested", "in_progress", "processing", "initiated", "approved"),
            Paid.NOT_YET,
        ),
        **dict.fromkeys(("waiting", "scheduled", "sent", "open"), Paid.NOT_YET),
        **dict.fromkeys(
            ("rejected", "refused", "canceled", "cancelled", "failed", "error", "declined"),
            Paid.NEVER,
        ),
    }
)


@dataclass(frozen=True, slots=True)
class LineFacts:
    """A product line: `id` is eMAG's, `product_id` the seller's offer."""

    id: int
    product_id: str | None
    product_emag_id: str | None
    sku: str | None
    name: str | None
    quantity: int
    reason: int | None
    refund: Decimal | None


@dataclass(frozen=True, slots=True)
class Refund:
    """What eMAG pays back, VAT included, in `currency`.

    Attributes:
        amount: what was paid, or is asked for where nothing was; None where eMAG names none.
        processed: whether all that was asked for is paid.
        currency: as eMAG says, None where it doesn't.
        unknown: the words for a request's state that nobody knows.
        apart: amounts in other currencies were left out.
    """

    amount: Decimal | None = None
    processed: bool = False
    currency: str | None = None
    unknown: tuple[str, ...] = ()
    apart: bool = False


@dataclass(frozen=True, slots=True)
class ReturnFacts:
    """A return of eMAG's without its customer; times are aware UTC."""

    emag_id: int
    order_id: int | None
    type: int
    status: int
    placed_at: datetime | None
    finalize_by: date | None
    return_type: int | None
    reason: int | None
    to_bank: bool
    lines: tuple[LineFacts, ...]
    refund: Refund

    @property
    def digest(self) -> str:
        """A short text that differs when anything differs that the ERP is told."""
        return blake2b(repr(self).encode(errors="replace"), digest_size=12).hexdigest()

    @property
    def refund_method(self) -> str:
        """The ERP's word for the way in which the customer gets the money."""
        if self.return_type == _VOUCHER:
            return "store_credit"
        return "bank_transfer" if self.to_bank else "original_payment"


@dataclass(frozen=True, slots=True)
class Customer:
    """Who gave the goods back: for the ERP's row and for nothing else."""

    name: str | None
    phone: str | None
    email: str | None
    observations: str | None


def emag_id_of(raw: Raw) -> int | None:
    """The return's number, None where there is none that a return can have."""
    number = whole_number(raw.get("emag_id"))
    return number if number is not None and 0 < number <= HIGHEST else None


def status_of(raw: Raw) -> int | None:
    """The return's status, None where it can't be read."""
    number = whole_number(raw.get("request_status"))
    return number if number is not None and 0 <= number < 100 else None


def type_of(raw: Raw) -> int | None:
    """The return's type; returns had none before eMAG fulfilled orders itself."""
    return 3 if raw.get("type") is None else whole_number(raw.get("type"))


def return_facts(raw: Raw, zone: ZoneInfo) -> ReturnFacts:
    """What a return of `rma/read` says. Raises WireError."""
    rma = read_return(raw, zone)
    order_id = rma.order_id
    known = order_id is not None and 0 < order_id <= HIGHEST
    return ReturnFacts(
        emag_id=rma.emag_id,
        order_id=order_id if known else None,
        type=rma.type,
        status=rma.status,
        placed_at=rma.date,
        finalize_by=finalize_by(raw),
        return_type=whole_number(raw.get("return_type")),
        reason=whole_number(raw.get("return_reason")),
        to_bank=plain_text(raw.get("customer_account_iban")) is not None,
        lines=tuple(_lines(rma)),
        refund=_refund(rma),
    )


def customer(raw: Raw) -> Customer:
    """The customer of a return."""
    return Customer(
        name=plain_text(raw.get("customer_name")),
        phone=plain_text(raw.get("customer_phone")),
        email=plain_text(raw.get("customer_email")),
        observations=plain_text(raw.get("observations")),
    )


def finalize_by(raw: Raw) -> date | None:
    """The day until which eMAG wants the return closed."""
    for entry in entries(raw.get("extra_info")):
        if isinstance(entry, dict):
            text = plain_text(entry.get("maximum_finalization_date")) or ""
            try:
                return date.fromisoformat(text[:10])
            except ValueError:
                return None
    return None


def _lines(rma: Return) -> Iterator[LineFacts]:
    for line, raw in zip(rma.lines, entries(rma.raw.get("products")), strict=True):
        yield LineFacts(
            id=line.id,
            product_id=line.product_id,
            product_emag_id=line.product_emag_id,
            sku=plain_text(raw.get("part_number")) or plain_text(raw.get("ext_part_number")),
            name=plain_text(raw.get("product_name")),
            quantity=line.quantity,
            reason=whole_number(raw.get("return_reason")),
            refund=_amount(raw.get("refund_value"), rma.emag_id, "refund_value"),
        )


@dataclass(frozen=True, slots=True)
class _Request:
    amount: Decimal
    paid: Paid | None
    word: str
    currency: str | None


def _refund(rma: Return) -> Refund:
    """What the requests say; where there are none, what the lines say will be refunded."""
    own = plain_text(rma.raw.get("currency"))
    requests = list(_requests(rma, own))
    if not requests:
        values = [
            _amount(raw.get("refund_value"), rma.emag_id, "refund_value")
            for raw in entries(rma.raw.get("products"))
        ]
        told = [value for value in values if value]
        return Refund(_cents(sum(told, Decimal(0))) if told else None, currency=own)
    unknown = tuple(sorted({each.word for each in requests if each.paid is None}))
    currencies = {each.currency for each in requests}
    currency = currencies.pop() if len(currencies) == 1 else own
    ours = [each for each in requests if each.currency == currency]
    paid = [each.amount for each in ours if each.paid is Paid.YES]
    asked = [each.amount for each in ours if each.paid is Paid.NOT_YET]
    counted = paid or asked
    return Refund(
        amount=_cents(sum(counted, Decimal(0))) if counted else None,
        processed=bool(paid) and not asked and not unknown,
        currency=currency,
        unknown=unknown,
        apart=len(ours) < len(requests),
    )


def _requests(rma: Return, currency: str | None) -> Iterable[_Request]:
    """The refund requests, each as it stood last; every step of the history can repeat them."""
    latest: dict[object, tuple[str, _Request]] = {}
    for step in entries(rma.raw.get("status_history")):
        for raw in entries(step.get("requests")) if isinstance(step, dict) else ():
            if not isinstance(raw, dict):
                continue
            amount = _amount(raw.get("amount"), rma.emag_id, "refund amount")
            if amount is None:
                continue
            word = "_".join((plain_text(raw.get("refund_status")) or "").lower().split())
            word = word.replace("-", "_")
            own = plain_text(raw.get("currency")) or currency
            request = _Request(amount, REFUND_WORDS.get(word), word[:40], own)
            which = (
                plain_text(raw.get("created")),
                plain_text(raw.get("refund_type")),
                amount,
                own,
            )
            since = plain_text(raw.get("status_date")) or ""
            if which not in latest or since >= latest[which][0]:
                latest[which] = (since, request)
    return [request for _, request in latest.values()]


def _amount(value: object, emag_id: int, field: str) -> Decimal | None:
    """An amount of money; None where there is none. Raises WireError for what is no amount."""
    text = plain_text(value)
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not abs(amount) < LARGEST_AMOUNT:
        raise WireError("return", emag_id, field, f"a text of {len(text)} characters")
    return amount


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)
