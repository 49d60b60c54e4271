"""What an order of eMAG's tells the ERP, read tolerantly; money is Decimal, VAT included.

What eMAG leaves out counts as nothing. What decides something and can't be read makes the order
unusable (see `order_fields`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from hashlib import blake2b
from typing import Final
from zoneinfo import ZoneInfo

from integrations.emag.matrices import OrderStatus
from integrations.emag.order_fields import (
    check_lines,
    check_lines_are_there,
    check_order,
    currency_of,
    decimal_of,
    is_blank,
)
from integrations.emag.refund_words import REFUND_WORDS, Paid, refund_word
from integrations.emag.wire import (
    Order,
    OrderLine,
    Raw,
    WireError,
    entries,
    plain_text,
    read_order,
    to_utc,
    whole_number,
)

ZERO: Final = Decimal(0)
CENT: Final = Decimal("0.01")

# What a status that can't be read is mirrored as; no order has it.
UNREADABLE: Final = -1

FISCAL_DOCUMENT: Final = 1

CLOSED: Final = frozenset({OrderStatus.CANCELED, OrderStatus.RETURNED})
"""Where no piece of an order is the customer's any more."""

WISHED_IN: Final = frozenset({OrderStatus.NEW, OrderStatus.IN_PROGRESS, OrderStatus.PREPARED})
"""Where a customer's wish to cancel waits for the seller."""

_SMALLEST, _LARGEST = 0, 99
_DOCUMENTS: Final = 10_000
_PIECES: Final = 1_000_000

_ORDER_FIELDS: Final = (
    "status",
    "type",
    "cancellation_request",
    "payment_status",
    "cashed_co",
    "cashed_cod",
    "refunded_amount",
    "refund_status",
    "currency",
    "finalization_date",
    "date",
)
_AMOUNTS: Final = ("cashed_co", "cashed_cod", "refunded_amount")
_LINE_FIELDS: Final = ("id", "status", "quantity", "initial_qty", "storno_qty", "sale_price", "vat")


@dataclass(frozen=True, slots=True)
class Sight:
    """An order as a read showed it, free of customers' data.

    Attributes:
        status: UNREADABLE where eMAG's is no number that a status can be.
        placed_at, modified_at, finalized_at, wish_at: aware UTC.
        documents: how many fiscal documents hang on it.
        lines: the most pieces that eMAG shows of each line, by line id.
        held: the pieces that each line has now; of an order that is over, what it had. None
            where they can't be read.
        digest: differs when anything differs that matters to the ERP.
        tells: whether the ERP is to be told anything about an order that it sees first like this.
    """

    order_id: int
    type: int
    status: int
    placed_at: datetime | None
    modified_at: datetime | None
    finalized_at: datetime | None
    wish_at: datetime | None
    documents: int
    lines: Mapping[str, int]
    held: Mapping[str, int] | None
    digest: str
    tells: bool


@dataclass(frozen=True, slots=True)
class LineFacts:
    """A product line; `first` are all pieces it was ever given, `now` those that are left."""

    id: int
    product_id: str | None
    sku: str | None
    ext_sku: str | None
    name: str | None
    first: int
    now: int
    unit_price: Decimal

    def worth(self, pieces: int) -> Decimal:
        """The gross price of so many pieces, in whole cents."""
        return cents(self.unit_price * pieces)


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What an order holds now.

    Attributes:
        cashed: what eMAG says it has of the customer's money; None where it says no amount.
        refunded: what eMAG has paid back to the customer; nothing where its word for the refund
            says that it is not paid yet, or never will be.
        unknown_refund: eMAG's word for the refund where nobody knows it.
        beside_goods: shipping less vouchers, as far as eMAG tells: what is paid with the goods.
        is_paid: eMAG counts the order as paid.
        currency: an ISO code.
    """

    id: int
    type: int
    status: int
    wish_at: datetime | None
    modified_at: datetime | None
    reason: int | None
    customer_name: str | None
    customer_email: str | None
    lines: tuple[LineFacts, ...]
    cashed: Decimal | None
    beside_goods: Decimal
    is_paid: bool
    refunded: Decimal
    unknown_refund: str | None
    currency: str

    @property
    def worth(self) -> Decimal:
        """The gross price of all goods that the order was ever given."""
        return sum((line.worth(line.first) for line in self.lines), ZERO)


def sight_of(order_id: int, raw: Raw, zone: ZoneInfo, read_at: datetime, usual_type: int) -> Sight:
    """What the mirror keeps of an order of `order/read`; without a type it has the usual one."""
    products = [line for line in entries(raw.get("products")) if isinstance(line, dict)]
    documents = _documents(raw)
    status = _small(raw.get("status"))
    wish_at = _wish_at(raw, zone, read_at)
    lines = dict(_first_pieces(products))
    held = lines if status in CLOSED else dict(_pieces_held(products))
    reads_lines = _passes(check_lines, raw)
    is_readable = reads_lines and _passes(check_order, raw)
    return Sight(
        order_id=order_id,
        type=order_type if (order_type := _small(raw.get("type"))) > 0 else usual_type,
        status=status,
        placed_at=to_utc(raw.get("date"), zone) or to_utc(raw.get("created"), zone),
        modified_at=to_utc(raw.get("modified"), zone),
        finalized_at=to_utc(raw.get("finalization_date"), zone),
        wish_at=wish_at,
        documents=documents,
        lines=lines,
        held=held if reads_lines and _passes(check_lines_are_there, raw) else None,
        digest=_digest(raw, products, documents),
        tells=not is_readable or _tells(raw, status, wish_at, products),
    )


def read_facts(
    raw: Raw, first: Mapping[str, int], zone: ZoneInfo, currency: str, read_at: datetime
) -> OrderFacts:
    """What an order tells the ERP; `first` are all pieces ever seen, by line id. Raises WireError.

    `currency` is the platform's own, for an order of which neither it nor its lines name one.
    """
    order = read_order(raw, zone)
    check_order(raw, order.id)
    check_lines(raw, order.id)
    if first:
        check_lines_are_there(raw, order.id)
    word = refund_word(raw.get("refund_status"))
    is_unpaid = REFUND_WORDS.get(word) in (Paid.NOT_YET, Paid.NEVER)
    customer = raw.get("customer")
    person = customer if isinstance(customer, dict) else {}
    return OrderFacts(
        id=order.id,
        type=order.type,
        status=order.status,
        wish_at=_wish_at(raw, zone, read_at),
        modified_at=order.modified,
        reason=order.reason_cancellation,
        customer_name=plain_text(person.get("name")),
        customer_email=plain_text(person.get("email")),
        lines=tuple(_lines(order, first)),
        cashed=_cashed(raw),
        beside_goods=_beside_goods(raw),
        is_paid=whole_number(raw.get("payment_status")) == 1,
        refunded=ZERO if is_unpaid else money(raw.get("refunded_amount")) or ZERO,
        unknown_refund=word[:40] if word and word not in REFUND_WORDS else None,
        currency=currency_of(raw, order.id) or currency,
    )


def money(value: object) -> Decimal | None:
    """An amount as a number or a text, in whole cents; None for anything else."""
    amount = decimal_of(value)
    return None if amount is None else cents(amount)


def cents(amount: Decimal) -> Decimal:
    """An amount (see `is_amount`) with two decimals, half up."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def _passes(check: Callable[[Raw, int], None], raw: Raw) -> bool:
    try:
        check(raw, 0)
    except WireError:
        return False
    return True


def _tells(raw: Raw, status: int, wish_at: datetime | None, products: Iterable[Raw]) -> bool:
    """Whether an order is more than one that takes its course and has not been paid yet."""
    if status not in (1, 2, 3, 4) or wish_at is not None:
        return True
    if whole_number(raw.get("payment_status")) == 1:
        return True
    if any(money(raw.get(name)) for name in _AMOUNTS):
        return True
    return any(_has_shrunk(line) for line in products)


def _has_shrunk(line: Raw) -> bool:
    return whole_number(line.get("status")) != 1 or _now(line) < _first(line)


def _digest(raw: Raw, products: Iterable[Raw], documents: int) -> str:
    """eMAG writes the same number as a text or not: that is no difference."""
    reason = raw.get("reason_cancellation")
    parts = [str(raw.get(name)) for name in _ORDER_FIELDS]
    parts.append(str(reason.get("id") if isinstance(reason, dict) else reason or None))
    parts.append(str(documents))
    for line in products:
        parts += [str(line.get(name)) for name in _LINE_FIELDS]
    return blake2b("\n".join(parts).encode(errors="replace"), digest_size=12).hexdigest()


def _first_pieces(products: Iterable[Raw]) -> Iterable[tuple[str, int]]:
    for line in products:
        number = whole_number(line.get("id"))
        if number is not None:
            yield str(number), _first(line)


def _pieces_held(products: Iterable[Raw]) -> Iterable[tuple[str, int]]:
    for line in products:
        number = whole_number(line.get("id"))
        if number is not None:
            active = whole_number(line.get("status")) == 1
            yield str(number), min(max(0, _now(line)), _PIECES) if active else 0


def _first(line: Raw) -> int:
    """The most pieces that a line had, as far as eMAG shows it: some may have come later."""
    initial = whole_number(line.get("initial_qty")) or 0
    stornoed = whole_number(line.get("storno_qty")) or 0
    return min(max(0, initial, _now(line) + max(0, stornoed)), _PIECES)


def _now(line: Raw) -> int:
    return whole_number(line.get("quantity")) or 0


def _lines(order: Order, first: Mapping[str, int]) -> Iterable[LineFacts]:
    """The order's lines, and those that it has dropped since."""
    raws = {whole_number(raw.get("id")): raw for raw in entries(order.raw.get("products"))}
    for line in order.lines:
        yield _line(order, line, raws.get(line.id, {}), first.get(str(line.id)))
    known = {str(line.id) for line in order.lines}
    for number, pieces in first.items():
        if number not in known:
            yield LineFacts(int(number), None, None, None, None, pieces, 0, ZERO)


def _line(order: Order, line: OrderLine, raw: Raw, first: int | None) -> LineFacts:
    left = line.quantity if line.active and order.status not in CLOSED else 0
    return LineFacts(
        id=line.id,
        product_id=line.product_id,
        sku=line.part_number,
        ext_sku=line.ext_part_number,
        name=plain_text(raw.get("name")),
        first=max(_first(raw), first or 0),
        now=left,
        unit_price=_unit_price(raw),
    )


def _unit_price(raw: Raw) -> Decimal:
    net = decimal_of(raw.get("sale_price")) or ZERO
    return net * (1 + (decimal_of(raw.get("vat")) or ZERO))


def _cashed(raw: Raw) -> Decimal | None:
    """What eMAG has by card and by the courier; nothing of either is no amount."""
    amounts = (money(raw.get(name)) or ZERO for name in ("cashed_co", "cashed_cod"))
    return sum(amounts, ZERO) or None


def _beside_goods(raw: Raw) -> Decimal:
    """Shipping and vouchers, VAT included; what can't be read counts as nothing.

    eMAG repeats vouchers at the order: those of its lines and of its shipping are counted.
    """
    splits = [*entries(raw.get("shipping_tax_voucher_split"))]
    for line in entries(raw.get("products")):
        if isinstance(line, dict) and whole_number(line.get("status")) == 1:
            splits += entries(line.get("product_voucher_split"))
    parts = [raw.get("shipping_tax")]
    for split in splits:
        if isinstance(split, dict):
            parts += [split.get("value"), split.get("vat_value")]
    return cents(sum((decimal_of(part) or ZERO for part in parts), ZERO))


def _wish_at(raw: Raw, zone: ZoneInfo, read_at: datetime) -> datetime | None:
    """When the customer asked to cancel; a wish without a usable time counts from what is known.

    What can't be read may be a wish: the mirror does not forget one that the ERP was told of.
    """
    value = raw.get("cancellation_request")
    if is_blank(value) or value is False or not (plain_text(value) or "?").strip("0-: ."):
        return None
    return to_utc(value, zone) or to_utc(raw.get("modified"), zone) or read_at


def _documents(raw: Raw) -> int:
    """How many fiscal documents hang on the order; one without a type is one (API facts)."""
    found = 0
    for entry in entries(raw.get("attachments")):
        if isinstance(entry, dict) and entry.get("url"):
            kind = entry.get("type")
            found += kind is None or whole_number(kind) == FISCAL_DOCUMENT
    return min(found, _DOCUMENTS)


def _small(value: object) -> int:
    number = whole_number(value)
    return number if number is not None and _SMALLEST <= number <= _LARGEST else UNREADABLE
