"""What stands in the cancellations that an order's news makes. Nothing here reads or writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from integrations.emag.cancellation_reasons import describe_reason, erp_word
from integrations.emag.order_facts import ZERO, LineFacts, OrderFacts
from integrations.erp.news_numbers import news_number, which_of_news
from integrations.erp.order_rows import CancellationOfOrder
from integrations.erp.rows import Item, Kind
from integrations.erp.write import NOW, Value
from integrations.ledger.arrivals import WISHED, Arrival
from integrations.sync.pieces import Pieces
from integrations.sync.plan import Reduction, Reductions
from integrations.sync.plan_cancellations import CANCEL, STORNO, Way
from integrations.sync.reductions import fingerprint

DONE: Mapping[str, Value] = {"status": "completed"}
_LESS: Mapping[str, Value] = {"reason": "other"}


@dataclass(frozen=True, slots=True)
class About:
    """Where and how an order was read: what every arrival about it carries."""

    platform: str
    account: str
    read_at: datetime
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Part:
    """Pieces of an order that are gone in some way; `whole` is all that was left of it."""

    way: Way
    pieces: Pieces
    whole: bool

    @property
    def word(self) -> str:
        return self.way.whole if self.whole else self.way.part


def completed_row(
    facts: OrderFacts, rows: Sequence[CancellationOfOrder], about: About, part: Part
) -> tuple[Arrival, Reductions]:
    """A completed cancellation of these pieces, beside the order's other rows, and its targets."""
    values = {
        **_head(facts, rows, about),
        **(why(facts, about) if part.whole and part.way is CANCEL else _LESS),
        **DONE,
        "reason_description": _description(facts, part),
        "refund_status": "pending",
        "refund_processed": False,
        "emag_cancellation_id": str(facts.id),
    }
    items = [_item(line, part) for line in facts.lines if part.pieces[line.id]]
    arrival = replace(arrival_of(facts, about, values, part.word), items=items)
    return arrival, _targets(facts, part, items)


def wish_row(facts: OrderFacts, rows: Sequence[CancellationOfOrder], about: About) -> Arrival:
    """A customer's wish to cancel, for the ERP to decide."""
    values = {
        **_head(facts, rows, about),
        **WISHED,
        "reason_description": "eMAG: the customer asked to cancel the order",
        "refund_processed": False,
    }
    return replace(arrival_of(facts, about, values), is_wish=True)


def _head(facts: OrderFacts, rows: Sequence[CancellationOfOrder], about: About) -> dict[str, Value]:
    return {
        "cancellation_number": _next_number(facts, rows, about),
        "emag_order_id": str(facts.id),
        "customer_name": facts.customer_name,
        "customer_email": facts.customer_email,
        "cancellation_fee": ZERO,
        "refund_amount": ZERO,
        "currency": facts.currency,
        "stock_restored": False,
        "account_type": about.account,
        "created_at": NOW,
        "updated_at": NOW,
    }


def why(facts: OrderFacts, about: About) -> dict[str, Value]:
    """Why eMAG says that the order was cancelled, in the ERP's columns."""
    return {
        "reason": erp_word(facts.reason, about.reasons),
        "reason_description": describe_reason(facts.reason),
    }


def _description(facts: OrderFacts, part: Part) -> str:
    if part.way is STORNO:
        return "eMAG: storno of the whole order" if part.whole else "eMAG: storno of a part"
    return describe_reason(facts.reason) if part.whole else "eMAG: partial cancellation"


def arrival_of(
    facts: OrderFacts,
    about: About,
    values: Mapping[str, Value],
    emag_status: str | None = None,
    row_id: int | None = None,
) -> Arrival:
    """News about the order for one of its cancellations; `row_id` None: for a new one."""
    return Arrival(
        kind=Kind.CANCELLATION,
        platform=about.platform,
        account=about.account,
        order_id=facts.id,
        read_at=about.read_at,
        row_id=row_id,
        values=values,
        emag_id=str(facts.id),
        emag_status=emag_status,
    )


def _item(line: LineFacts, part: Part) -> dict[str, Value]:
    """An item of a line; its price is what the customer gets back for a piece, VAT included.

    What was never sent is to be put back into stock; what a customer had may be broken.
    """
    pieces = part.pieces[line.id]
    return {
        "product_id": line.product_id,
        "sku": line.sku or line.ext_sku,
        "product_name": line.name,
        "quantity": pieces,
        "unit_price": line.worth(1),
        "total_amount": line.worth(pieces),
        "stock_to_restore": 0 if part.way is STORNO else pieces,
        "emag_item_id": str(line.id),
        "created_at": NOW,
        "updated_at": NOW,
    }


def _targets(facts: OrderFacts, part: Part, items: Sequence[Mapping[str, Value]]) -> Reductions:
    """What the row has taken off the order's lines, as a cancellation that was sent says it."""
    mark = fingerprint(
        [
            Item(
                product_id=_text(item["product_id"]),
                sku=_text(item["sku"]),
                quantity=Decimal(str(item["quantity"])),
                emag_item_id=_text(item["emag_item_id"]),
            )
            for item in items
        ]
    )
    lines = tuple(
        Reduction(line.id, line.now + pieces, line.now + pieces, line.now)
        for line in facts.lines
        if (pieces := part.pieces[line.id]) or line.now
    )
    return Reductions(part.whole, mark, lines, storno=part.way is STORNO)


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def _next_number(facts: OrderFacts, rows: Sequence[CancellationOfOrder], about: About) -> str:
    """The number of a further row about the order: its own, then with -2, -3, ... behind it."""
    used = [which_row(row, about.platform) or 0 for row in rows]
    return news_number(about.platform, facts.id, max(used, default=0) + 1)


def which_row(row: CancellationOfOrder, platform: str) -> int | None:
    """Which of the order's rows of news one is by its number; None if it is none of them."""
    return which_of_news(row.number, platform, row.order_id)


def noted(notes: str | None, note: str) -> str:
    """A row's notes with one more."""
    return f"{notes.rstrip()}\n{note}" if notes and notes.strip() else note
