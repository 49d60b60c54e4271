"""What may become of an ERP row: a small model that knows eMAG's rules and none of our planners.

It looks at the marketplace itself, not at what was read of it, and says for a moment in which
states a row may end up that is carried now. Whatever happens between two runs, a row's state must
be one that was possible since it was last changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from integrations.erp.rows import Kind
from integrations.sandbox.clock import age
from integrations.sandbox.market import Market
from integrations.sandbox.matrices import RETURN_MOVES

CARD, FBE = 3, 2
WHOLE = "the whole order"
REASONS = frozenset({"other", "inventory_unavailable"})
RETURN_TARGETS = {
    "pending": None,
    "approved": 3,
    "processing": 6,
    "completed": 7,
    "cancelled": 5,
    "rejected": 4,
}
BEYOND = {3: {6, 7}, 6: {7}}
ADMITTED: Mapping[Kind, frozenset[str] | None] = {
    Kind.RMA: None,
    Kind.CANCELLATION: frozenset({"pending", "approved"}),
    Kind.INVOICE: frozenset({"issued", "sent", "paid", "overdue"}),
}
WITHDRAWN = frozenset({"rejected", "cancelled"})
DRAFT = "draft"
ISSUED_INSTEAD = {"sales_invoice": "normal", "corrected_invoice": "normal", "credit_note": "storno"}

Raw = dict[str, Any]


@dataclass(eq=False)
class Life:
    """An ERP row as the ERP knows it, and what has been possible since its last change.

    `items` are pieces by product. `served` says whether a PDF is at `url`. `held` is whether eMAG
    has had what the row wants since its last change, `carried` whether a run may have looked at
    it, `wished_before` whether one may have sent something that the row wanted earlier. `ever` is
    what was possible since the beginning: a row that is deleted stays what it was.
    """

    kind: Kind
    id: int
    order: int | None
    status: str
    reason: str | None = None
    refund: str = "pending"
    items: dict[str, int] = field(default_factory=dict)
    type: str = "sales_invoice"
    number: str = ""
    url: str | None = None
    served: bool = True
    deleted: bool = False
    linked: int | None = None
    possible: set[str] = field(default_factory=set)
    ever: set[str] = field(default_factory=set)
    held: bool = False
    carried: bool = False
    wished_before: bool = False
    orders: set[int | None] = field(default_factory=set)
    asked: dict[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{self.kind.value}:{self.id}"

    @property
    def admitted(self) -> bool:
        words = ADMITTED[self.kind]
        return words is None or self.status in words

    @property
    def withdraws(self) -> bool:
        return self.kind is not Kind.RMA and self.status in WITHDRAWN

    def changed(self) -> None:
        """The ERP changed the row: what held before says nothing any more."""
        self.wished_before |= self.carried
        self.possible = set()
        self.held = False


@dataclass
class Lives:
    """All rows of the ERP, beside the marketplace that they are about."""

    market: Market
    all: list[Life] = field(default_factory=list)
    first: dict[int, dict[str, int]] = field(default_factory=dict)

    def look(self) -> None:
        """Note for every row what is possible at this moment, and whether it has what it wants."""
        for life in self.all:
            life.orders.add(life.order)
            for product, pieces in (life.items or {WHOLE: 1}).items():
                life.asked[product] = max(pieces, life.asked.get(product, 0))
            life.possible |= self.outcomes(life)
            life.ever |= life.possible
            life.held |= self.holds(life)

    def outcomes(self, life: Life) -> set[str]:
        """The states in which a row may be after a run that carries it now."""
        ends = set(self._outcomes(life))
        if life.wished_before and (life.deleted or life.kind is Kind.CANCELLATION):
            ends.add("refused")  # something was sent that is not what is wanted now
        if not life.admitted or life.deleted:
            ends.add("absent")
        if life.status == DRAFT:
            ends.add("withdrawn")  # it was issued, and nothing was attached yet
        return ends

    def _outcomes(self, life: Life) -> Iterator[str]:
        if life.deleted or life.withdraws:
            yield "withdrawn"
            if life.wished_before:
                yield "refused"
        elif life.order is None or life.order not in self.market.orders:
            yield "refused"
        elif life.kind is Kind.RMA:
            yield from self._return(life)
        elif life.kind is Kind.CANCELLATION:
            yield from self._cancellation(life, self.order(life.order))
        else:
            yield from self._invoice(life, self.order(life.order))

    def holds(self, life: Life) -> bool:
        """Whether eMAG has at this moment what the row wants."""
        if life.deleted or life.order not in self.market.orders:
            return False
        assert life.order is not None
        if life.kind is Kind.RMA:
            return life.linked is not None and self._arrived(life, self.rma(life.linked))
        order = self.order(life.order)
        if life.kind is Kind.INVOICE:
            return any(
                each["url"] == life.url or (life.url is None and _holds(each, life.number))
                for each in order["attachments"]
            )
        if order["status"] == 0 or (order["status"] == 5 and life.refund == "processing"):
            return True
        return bool(life.items) and all(
            product in self.first[life.order]
            and (self.taken(life.order, product) >= pieces or not self.left(life.order, product))
            for product, pieces in life.items.items()
        )

    def left(self, order_id: int, product: str) -> int:
        """How many pieces of a product are part of an order."""
        return sum(
            int(line["quantity"]) * int(line["status"])
            for line in self.order(order_id)["products"]
            if line["product_id"] == product
        )

    def taken(self, order_id: int, product: str) -> int:
        """How many pieces of a product an order has lost since it was placed."""
        return self.first[order_id].get(product, 0) - self.left(order_id, product)

    def order(self, order_id: int) -> Raw:
        order = self.market.orders.get(order_id)
        assert order is not None
        return order

    def rma(self, emag_id: int) -> Raw:
        rma = self.market.returns.get(emag_id)
        assert rma is not None
        return rma

    def siblings(self, life: Life) -> list[Life]:
        """The other rows of the kind that name, or named, the same order."""
        return [
            each
            for each in self.all
            if each is not life and each.kind is life.kind and life.order in each.orders
        ]

    def _cancellation(self, life: Life, order: Raw) -> Iterator[str]:
        if self.siblings(life):  # whichever comes first may take what the other one wants
            yield from ("synced", "refused", "waiting:person")
        elif self.holds(life):
            yield "synced"
        elif order["type"] == FBE:
            yield "refused"
        else:
            yield "synced" if self._can_be_cancelled(life, order) else "refused"
        if life.wished_before and life.items:
            yield "waiting:person"
        if not life.items and life.asked.keys() - {WHOLE}:
            yield "waiting:person"  # it had items

    def _can_be_cancelled(self, life: Life, order: Raw) -> bool:
        status, first = order["status"], self.first[order["id"]]
        if any(pieces > first.get(product, 0) for product, pieces in life.items.items()):
            return False
        whole = not life.items or life.items == first
        if status == 4:
            if life.refund == "processing":
                return self._younger(order, timedelta(days=35))
            return whole and life.reason in REASONS and self._younger(order, timedelta(hours=48))
        if status not in (1, 2, 3):
            return False
        return life.reason in REASONS if whole else order["payment_mode_id"] != CARD

    def _younger(self, order: Raw, than: timedelta) -> bool:
        return age(order["finalization_date"] or order["modified"], self.market.now()) <= than

    def _invoice(self, life: Life, order: Raw) -> Iterator[str]:
        papers = order["attachments"]
        if any(each["url"] == life.url for each in papers):
            yield "synced"
        elif any(_holds(each, life.number) for each in papers):
            yield "synced" if life.url is None else "refused"
        elif life.type in ISSUED_INSTEAD and self._issued(life):
            yield "refused"
        elif life.url is None:
            yield "waiting:document"
        else:
            yield "synced" if life.served else "refused"
        if life.wished_before:
            yield "refused"  # what it attached under another address can't be taken back

    def _issued(self, life: Life) -> bool:
        return any(
            each["order_id"] == life.order and each["category"] == ISSUED_INSTEAD[life.type]
            for each in self.market.customer_invoices
        )

    def _return(self, life: Life) -> Iterator[str]:
        if life.status not in RETURN_TARGETS:
            yield "refused"
            return
        if life.linked is not None:
            yield from self._linked_return(life, self.rma(life.linked))
            return
        free = self._free_rmas(life)
        for rma in free:
            yield from self._linked_return(life, rma)
        if not free or self.siblings(life):
            yield "waiting:emag_return"
        if len(free) > 1:
            yield "waiting:person"

    def _free_rmas(self, life: Life) -> list[Raw]:
        owned = {each.linked for each in self.all}
        assert life.order is not None
        free = [
            self.rma(emag_id)
            for emag_id in self.market.returns_of.get(life.order, [])
            if emag_id not in owned
        ]
        fitting = [rma for rma in free if self._fits(life, rma)]
        is_open = [rma for rma in fitting if rma["request_status"] in (2, 3, 6)]
        target = RETURN_TARGETS[life.status]
        return is_open or [rma for rma in fitting if rma["request_status"] == target]

    @staticmethod
    def _fits(life: Life, rma: Raw) -> bool:
        products = {line["product_id"] for line in rma["products"]}
        return not life.items or not products.isdisjoint(life.items)

    def _linked_return(self, life: Life, rma: Raw) -> Iterator[str]:
        status, target = rma["request_status"], RETURN_TARGETS[life.status]
        if status == 1:
            yield "waiting:emag_return"
        elif self._arrived(life, rma):
            yield "synced"
        elif rma["type"] == FBE:
            yield "refused"
        elif target == 4 and status in (2, 3):
            yield "waiting:emag_received"
        else:
            yield "synced" if target in reachable(status) else "refused"

    @staticmethod
    def _arrived(life: Life, rma: Raw) -> bool:
        if life.status not in RETURN_TARGETS:
            return False
        status, target = rma["request_status"], RETURN_TARGETS[life.status]
        return target is None or status == target or status in BEYOND.get(target, ())


def _holds(attachment: Raw, number: str) -> bool:
    return bool(attachment["name"].endswith(f" {number}"))


def reachable(status: int) -> set[int]:
    """The statuses to which moves of a seller lead a return."""
    found, new = {status}, {status}
    while new:
        new = {to for each in new for to in RETURN_MOVES[each]} - found
        found |= new
    return found
