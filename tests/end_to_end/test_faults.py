"""Every kind of fault at every point of every operation: what a run says, and what comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from integrations.emag.client import open_client
from integrations.erp.rows import Kind
from integrations.sandbox.fault_kinds import KINDS, ROUTES_OF, SAVES
from tests.end_to_end.conftest import Shop
from tests.end_to_end.pace import wipe

FIRST = 480000101


@dataclass(frozen=True)
class Operation:
    """A way of a row to eMAG, and the request in it that meets the fault, once or `lasting`."""

    name: str
    route: str
    kind: Kind
    scene: Callable[[Shop, int], Awaitable[int]]
    effects: tuple[str, ...]
    rows: int = 1
    lasting: bool = False


async def cancelled(shop: Shop, order_id: int) -> int:
    shop.market.add_order({"id": order_id, "status": 2})
    return await shop.erp.add(Kind.CANCELLATION, order_id)


async def new_and_cancelled(shop: Shop, order_id: int) -> int:
    shop.market.add_order({"id": order_id, "status": 1})
    return await shop.erp.add(Kind.CANCELLATION, order_id)


async def one_piece_less(shop: Shop, order_id: int) -> int:
    products = [{"product_id": "1001", "quantity": 3}]
    shop.market.add_order({"id": order_id, "status": 2, "products": products})
    return await shop.erp.add(Kind.CANCELLATION, order_id, {"product_id": 1001, "quantity": 1})


async def one_piece_refunded(shop: Shop, order_id: int) -> int:
    products = [{"product_id": "1001", "quantity": 3}]
    shop.market.add_order({"id": order_id, "status": 4, "products": products})
    item = {"product_id": 1001, "quantity": 1}
    return await shop.erp.add(Kind.CANCELLATION, order_id, item, refund_status="processing")


async def returned(shop: Shop, order_id: int) -> int:
    shop.market.add_order({"id": order_id, "status": 4})
    shop.market.add_return({"order_id": order_id, "request_status": 2})
    return await shop.erp.add(Kind.RMA, order_id)


async def invoiced(shop: Shop, order_id: int) -> int:
    shop.market.add_order({"id": order_id, "status": 4})
    url = shop.document(f"F-{order_id}")
    return await shop.erp.add(Kind.INVOICE, order_id, pdf_url=url)


C, R, I = Kind.CANCELLATION, Kind.RMA, Kind.INVOICE
SAVED, MOVED, ATTACHED = ("order.status",), ("rma.status",), ("attachment",)
OPERATIONS = (
    Operation("order pages", "order/read", C, cancelled, SAVED, rows=8),
    Operation("order pages, lasting", "order/read", C, cancelled, SAVED, rows=8, lasting=True),
    Operation("order", "order/read", C, cancelled, SAVED),
    Operation("order, lasting", "order/read", C, cancelled, SAVED, lasting=True),
    Operation("returns", "rma/read", R, returned, MOVED),
    Operation("returns, lasting", "rma/read", R, returned, MOVED, lasting=True),
    Operation("issued", "customer-invoice/read", I, invoiced, ATTACHED),
    Operation("issued, lasting", "customer-invoice/read", I, invoiced, ATTACHED, lasting=True),
    Operation("acknowledge", "order/acknowledge", C, new_and_cancelled, ("acknowledge", *SAVED)),
    Operation("cancel", "order/save", C, cancelled, SAVED),
    Operation("cancel 4", "order/save", C, cancelled, SAVED, rows=4),
    Operation("reduce", "order/save", C, one_piece_less, ("order.line",)),
    Operation("storno", "order/save", C, one_piece_refunded, ("order.storno",)),
    Operation("storno 4", "order/save", C, one_piece_refunded, ("order.storno",), rows=4),
    Operation("move return", "rma/save", R, returned, MOVED),
    Operation("move 4", "rma/save", R, returned, MOVED, rows=4),
    Operation("attach", "order/attachments/save", I, invoiced, ATTACHED),
    Operation("attach 4", "order/attachments/save", I, invoiced, ATTACHED, rows=4),
)


@pytest.fixture
async def unpaced(database_url, market, account):
    from tests.end_to_end.pace import open_unpaced_shop

    async with (
        open_unpaced_shop(database_url, market, account) as shop,
        open_client(account, deadline=0.4) as c,
    ):
        CL[:] = [c]
        yield shop


CL = []


async def observe(shop: Shop, operation, kind, point):
    await wipe(shop)
    orders = [FIRST + each for each in range(operation.rows)]
    rows = [await operation.scene(shop, order_id) for order_id in orders]
    shop.market.faults.add(
        route=operation.route,
        kind=kind,
        point=point,
        seconds=0.01,
        times=None if operation.lasting else 1,
    )
    hasty = kind == "timeout"
    report = await shop.run(operation.kind, **({"client": CL[0]} if hasty else {}))
    first = await states(shop, operation.kind, rows)
    shop.market.faults.clear()
    met = sum(bool(r.fault) for r in shop.market.journal.requests)
    n = len(shop.market.journal.requests)
    await shop.later()
    r2 = await shop.run(operation.kind)
    last = await states(shop, operation.kind, rows)
    eff = Counter(e.kind for e in shop.market.journal.effects_of(by="seller"))
    rep = len(list(shop.market.journal.repeated()))
    lost = {k: v for k in operation.effects if (v := eff[k] - operation.rows)}
    return (
        f"{report.exit_code} {first} -> {r2.exit_code} {last}"
        + (f" EFFECTS {lost}" if lost else "")
        + (f" REP{rep}" if rep else "")
        + ("" if met else " NOTMET")
        + f" n{met}"
        + (f" V{shop.market.journal.violations()}" if shop.market.journal.violations() else "")
    )


async def states(shop, kind, rows):
    c = Counter()
    for row in rows:
        b = await shop.books(kind, row)
        c[f"{b['sync_state']}{b['sync_attempts'] or ''}"] += 1
    return "+".join(f"{s}" if n == len(rows) else f"{n} {s}" for s, n in sorted(c.items()))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)
async def test_it(unpaced: Shop, operation) -> None:
    for kind, points in KINDS.items():
        if kind in ROUTES_OF and operation.route not in ROUTES_OF[kind]:
            continue
        if ROUTES_OF.get(kind) == SAVES and operation.rows < 2:
            continue
        for point in points:
            print(
                f"{operation.name:22} {kind:22} {point:14} {await observe(unpaced, operation, kind, point)}"
            )
