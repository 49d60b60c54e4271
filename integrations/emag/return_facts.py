"""What the ERP is told about a return, read from what eMAG sent.

Numbers come as texts, nothing is sure to be there, and only what could be read wrongly makes a
return unusable (API facts: RMA object; Refunds).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from hashlib import blake2b
from typing import Final
from zoneinfo import ZoneInfo

from integrations.emag.order_fields import is_blank
from integrations.emag.refund_words import REFUND_WORDS, Paid, refund_word
from integrations.emag.wire import (
    Raw,
    Return,
    WireError,
    entries,
    plain_text,
    read_return,
    unusable,
    whole_number,
)

HIGHEST: Final = 4_294_967_295
LARGEST_AMOUNT: Final = Decimal(10) ** 9

_ZERO: Final = Decimal(0)
_CENT: Final = Decimal("0.01")
_VOUCHER: Final = 5


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
        apart: money is asked for or paid in other currencies than the return's, `foreign`: then
            nobody knows what the customer got in its own: no amount.
        odd: what eMAG calls an amount and can't be one that is paid back: zero, which is left out,
            or less. While there is one below zero, nobody knows what the customer got: no amount.
        paid_in_part: the amount is paid, and more is asked for.
    """

    amount: Decimal | None = None
    processed: bool = False
    currency: str | None = None
    unknown: tuple[str, ...] = ()
    apart: bool = False
    odd: tuple[str, ...] = field(default=(), repr=False)
    paid_in_part: bool = field(default=False, repr=False)
    foreign: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_paid(self) -> bool:
        """Whether the amount was paid; if not, it is what somebody expects."""
        return self.processed or self.paid_in_part

    @property
    def is_by_hand(self) -> bool:
        """Whether only a person can tell what the customer got."""
        return bool(self.below_zero) or self.apart

    @property
    def below_zero(self) -> tuple[str, ...]:
        """Amounts that take back what was paid, or what else eMAG means by them."""
        return tuple(each for each in self.odd if Decimal(each) < 0)


@dataclass(frozen=True, slots=True)
class ReturnFacts:
    """A return of eMAG's without its customer; times are aware UTC.

    `strange` are fields that hold something else than what is read from them.
    """

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
    strange: tuple[WireError, ...] = field(default=(), repr=False, compare=False)

    def unread(self, name: str) -> str | None:
        """In words, that a field can't be read; None where it can."""
        return next((str(each) for each in self.strange if each.field == name), None)

    @property
    def digest(self) -> str:
        """A short text that differs when anything differs that the ERP is told."""
        part = ("paid in part",) if self.refund.paid_in_part else ()
        strange = (str(each) for each in self.strange)
        told = "\n".join((repr(self), *self.refund.odd, *part, *strange))
        return blake2b(told.encode(errors="replace"), digest_size=12).hexdigest()

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


def return_facts(raw: Raw, zone: ZoneInfo, currency: str) -> ReturnFacts:
    """What a return of `rma/read` says. Raises WireError.

    `currency` is the platform's own, for a return that names none.
    """
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
        refund=_refund(rma, currency),
        strange=tuple(_strange(rma)),
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


def _strange(rma: Return) -> Iterator[WireError]:
    """What stands where a number or the lines should, and is neither that nor nothing."""
    for name in ("order_id", "return_type", "return_reason"):
        value = rma.raw.get(name)
        number = whole_number(value)
        if not is_blank(value) and (number is None or not 0 <= number <= HIGHEST):
            yield unusable("return", rma.emag_id, name, value)
    for raw in entries(rma.raw.get("products")):
        value = raw.get("return_reason")
        if not is_blank(value) and whole_number(value) is None:
            yield unusable("return", rma.emag_id, "product line's return_reason", value)
    products = rma.raw.get("products")
    if not isinstance(products, list | dict):
        yield unusable("return", rma.emag_id, "products", products)
    elif not rma.lines:
        yield WireError("return", rma.emag_id, "products", "no product lines")


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
    created: str | None
    type: str | None
    since: str | None

    @property
    def key(self) -> object:
        """What does not change while it is on its way; eMAG gives requests no number."""
        return self.created, self.type, self.amount, self.currency


def _refund(rma: Return, platform: str) -> Refund:
    """What the requests say; where there are none, what the lines say will be refunded."""
    own = _currency(rma.raw)
    requests = list(_requests(rma, own))
    told = _of_requests(requests, own, platform) if requests else _of_lines(rma, own)
    if told.is_by_hand:
        return replace(told, amount=None, processed=False, paid_in_part=False)
    return told


def _of_lines(rma: Return, currency: str | None) -> Refund:
    values = [
        _amount(raw.get("refund_value"), rma.emag_id, "refund_value")
        for raw in entries(rma.raw.get("products"))
    ]
    told = [value for value in values if value is not None and value > 0]
    odd = tuple(str(value) for value in values if value is not None and value < 0)
    amount = _cents(sum(told, _ZERO)) if told else None
    return Refund(amount, currency=currency, odd=odd)


def _of_requests(requests: Iterable[_Request], own: str | None, platform: str) -> Refund:
    alive = [each for each in requests if each.paid is not Paid.NEVER]
    odd = tuple(str(each.amount) for each in alive if each.amount <= 0)
    unknown = tuple(sorted({each.word for each in alive if each.paid is None}))
    said = {each.currency for each in alive if each.currency and each.amount}
    foreign = tuple(sorted(each[:10] for each in said - {own or platform}))
    paid = [each.amount for each in alive if each.paid is Paid.YES and each.amount > 0]
    asked = [each.amount for each in alive if each.paid is Paid.NOT_YET and each.amount > 0]
    counted, is_all = paid or asked, not (asked or unknown)
    return Refund(
        amount=_cents(sum(counted, _ZERO)) if counted else None,
        processed=bool(paid) and is_all,
        currency=own or (platform if said else None),
        unknown=unknown,
        apart=bool(foreign),
        odd=odd,
        paid_in_part=bool(paid) and not is_all,
        foreign=foreign,
    )


def _currency(raw: Raw) -> str | None:
    return (plain_text(raw.get("currency")) or "").upper() or None


def _requests(rma: Return, currency: str | None) -> Iterable[_Request]:
    """The refund requests, each as it stood last; every step of the history can repeat them.

    Equal ones are told apart by being named in the same step. The later state counts; where one
    has no time, the later step's.
    """
    latest: dict[object, _Request] = {}
    for step in _steps(rma):
        named = sorted(_named(rma, step, currency), key=lambda each: each.since or "")
        seen: Counter[object] = Counter()
        for request in named:
            which = (request.key, seen[request.key])
            seen[request.key] += 1
            before = latest.get(which)
            since = before.since if before else None
            if since is None or request.since is None or request.since >= since:
                latest[which] = replace(request, since=request.since or since)
    return latest.values()


def _steps(rma: Return) -> list[Raw]:
    """The history's steps that can name requests, oldest first where each has its time."""
    history = entries(rma.raw.get("status_history"))
    steps = [step for step in history if isinstance(step, dict) and entries(step.get("requests"))]
    if all(plain_text(step.get("event_date")) for step in steps):
        steps.sort(key=lambda step: plain_text(step.get("event_date")) or "")
    return steps


def _named(rma: Return, step: Raw, currency: str | None) -> Iterator[_Request]:
    for raw in entries(step.get("requests")):
        if not isinstance(raw, dict):
            continue
        amount = _amount(raw.get("amount"), rma.emag_id, "refund amount")
        if amount is None:
            continue
        word = refund_word(raw.get("refund_status"))
        yield _Request(
            amount=amount,
            paid=REFUND_WORDS.get(word),
            word=word[:40],
            currency=_currency(raw) or currency,
            created=plain_text(raw.get("created")),
            type=plain_text(raw.get("refund_type")),
            since=plain_text(raw.get("status_date")),
        )


def _amount(value: object, emag_id: int, name: str) -> Decimal | None:
    """An amount of money; None where there is none. Raises WireError for what is no amount."""
    text = plain_text(value)
    if text is None:
        if isinstance(value, bool) or (value and not isinstance(value, str)):
            raise unusable("return", emag_id, name, value)
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not abs(amount) < LARGEST_AMOUNT:
        raise unusable("return", emag_id, name, value)
    return amount


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)
