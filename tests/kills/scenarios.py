"""What workers are killed over: rows of each sort, and the effects that each must have once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from integrations.erp.rows import Kind
from tests.end_to_end.conftest import Shop

IN_PROGRESS, FINALIZED = 2, 4
FIRST_ORDER = 480_000_101

# RMAs are numbered like their orders, further down.
RETURNS_BELOW = 430_000_000

Effects = Sequence[tuple[str, object, object]]


@dataclass(frozen=True)
class Scenario:
    """A sort of rows of one order: how they come about, and what workers do for them at eMAG.

    `add` puts the order into the market and the rows into the ERP, and gives their ids; `effects`
    are what must come of it, step by step, or in the order of `otherwise`.
    """

    name: str
    kind: Kind
    add: Callable[[Shop, int, str], Awaitable[Sequence[int]]]
    effects: Effects
    otherwise: Effects | None = None

    def fits(self, shop: Shop, order_id: int) -> bool:
        """Whether what was done at eMAG is what must be, each effect once."""
        return self.done(shop, order_id) in (self.effects, self.otherwise)

    @property
    def steps(self) -> int:
        """How many writes carry it."""
        return len(self.effects)

    def done(self, shop: Shop, order_id: int) -> Effects:
        """What was done at eMAG for the rows of an order."""
        about = order_id - RETURNS_BELOW if self.kind is Kind.RMA else order_id
        effects = shop.market.journal.effects_of(about=about, by="seller")
        return [(effect.kind, effect.from_, _shown(effect.to)) for effect in effects]


def _shown(value: object) -> object:
    """Of a document that was attached, its type."""
    return value["type"] if isinstance(value, dict) else value


async def _whole(shop: Shop, order_id: int, account: str) -> Sequence[int]:
    shop.market.add_order({"id": order_id, "status": IN_PROGRESS})
    return [await shop.erp.add(Kind.CANCELLATION, order_id, account_type=account)]


async def _new(shop: Shop, order_id: int, account: str) -> Sequence[int]:
    shop.market.add_order({"id": order_id, "status": 1})
    return [await shop.erp.add(Kind.CANCELLATION, order_id, account_type=account)]


async def _part(shop: Shop, order_id: int, account: str) -> Sequence[int]:
    lines = [{"product_id": "1001", "quantity": 5}, {"product_id": "1004", "quantity": 1}]
    shop.market.add_order({"id": order_id, "status": IN_PROGRESS, "products": lines})
    item = {"product_id": "1001", "quantity": 2}
    return [await shop.erp.add(Kind.CANCELLATION, order_id, item, account_type=account)]


async def _two_parts(shop: Shop, order_id: int, account: str) -> Sequence[int]:
    rows = await _part(shop, order_id, account)
    item = {"product_id": "1001", "quantity": 1}
    return [*rows, await shop.erp.add(Kind.CANCELLATION, order_id, item, account_type=account)]


async def _storno(shop: Shop, order_id: int, account: str) -> Sequence[int]:
    lines = [{"product_id": "1001", "quantity": 5}, {"product_id": "1004", "quantity": 1}]
    shop.market.add_order({"id": order_id, "status": FINALIZED, "products": lines})
    item = {"product_id": "1001", "quantity": 2}
    return [
        await shop.erp.add(
            Kind.CANCELLATION, order_id, item, account_type=account, refund_status="processing"
        )
    ]


async def _return(shop: Shop, order_id: int, account: str) -> Sequence[int]:
    shop.market.add_order({"id": order_id, "status": FINALIZED})
    rma = {"emag_id": order_id - RETURNS_BELOW, "order_id": order_id, "request_status": 2}
    shop.market.add_return(rma)
    return [await shop.erp.add(Kind.RMA, order_id, account_type=account, status="completed")]


async def _invoice(shop: Shop, order_id: int, account: str) -> Sequence[int]:
    shop.market.add_order({"id": order_id, "status": FINALIZED})
    url = shop.document(f"F-{order_id}")
    return [
        await shop.erp.add(
            Kind.INVOICE,
            order_id,
            account_type=account,
            invoice_number=f"F-{order_id}",
            pdf_url=url,
        )
    ]


SCENARIOS = (
    Scenario("order in progress", Kind.CANCELLATION, _whole, [("order.status", 2, 0)]),
    Scenario(
        "new order",
        Kind.CANCELLATION,
        _new,
        [("acknowledge", 1, 2), ("order.status", 2, 0)],
    ),
    Scenario("part of an order", Kind.CANCELLATION, _part, [("order.line", 5, 3)]),
    Scenario(
        "two parts of an order",
        Kind.CANCELLATION,
        _two_parts,
        [("order.line", 5, 3), ("order.line", 3, 2)],
        [("order.line", 5, 4), ("order.line", 4, 2)],
    ),
    Scenario("refund of a part", Kind.CANCELLATION, _storno, [("order.storno", 5, 3)]),
    Scenario(
        "return",
        Kind.RMA,
        _return,
        [("rma.status", 2, 3), ("rma.status", 3, 6), ("rma.status", 6, 7)],
    ),
    Scenario("invoice", Kind.INVOICE, _invoice, [("attachment", None, 1)]),
)
