"""A process of its own: eMAG as a scene has it, with 200 ms of simulated answer time.

    python -m tests.benchmarks.marketplace SCENE LIMITS

Prints its base address and serves until SIGTERM. LIMITS is true, or false for no request limits.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
from datetime import timedelta

from integrations.sandbox.market import Market
from integrations.sandbox.server import run_server
from integrations.sandbox.switches import Switches
from tests.benchmarks.scene import FIRST_ORDER, FIRST_RETURN, LINES, Scene

ANSWER_SECONDS = 0.2

IN_PROGRESS, FINALIZED, RECEIVED, CLOSED = 2, 4, 6, 7

PAST_ORDER, PAST_RETURN = 300_000_000, 40_000_000


def main() -> None:
    """Lay the scene out and serve it."""
    scene, limits = sys.argv[1:]
    market = Market(Switches(answer_seconds=ANSWER_SECONDS, limits=json.loads(limits)))
    told = Scene.from_json(scene)
    lay_out(market, told)
    lay_out_past(market, *told.past)
    _be_punctual()
    run_server(market=market, ready=lambda base_url: print(base_url, flush=True))  # noqa: T201


def _be_punctual() -> None:
    """See requests when they arrive: eMAG neither shares our cores nor halts to collect garbage."""
    gc.disable()
    with contextlib.suppress(OSError):  # only the superuser may
        os.nice(-10)


def lay_out(market: Market, scene: Scene) -> None:
    """Put a scene's orders and returns on the market."""
    about = frozenset(scene.orders)
    returns = scene.kind == "rma"
    lines = [{"product_id": product_id, "quantity": quantity} for product_id, _, quantity in LINES]
    for order_id in scene.crowd:
        status = scene.status if order_id in about else (RECEIVED if returns else IN_PROGRESS)
        market.add_orders(
            [{"id": order_id, "status": FINALIZED if returns else status, "products": lines}]
        )
        if returns:
            emag_id = FIRST_RETURN + order_id - FIRST_ORDER
            rma = {"emag_id": emag_id, "order_id": order_id, "request_status": status}
            market.add_returns([{**rma, "products": lines}])


def lay_out_past(market: Market, returns: int, orders: int) -> None:
    """Put finalized orders of the last 100 days on the market, and closed returns of some."""
    now = market.now()
    lines = [{"product_id": product_id, "quantity": quantity} for product_id, _, quantity in LINES]
    for place in range(orders):
        placed = now - timedelta(days=3 + 90 * place / orders)
        market.add_orders(
            [{"id": PAST_ORDER + place, "status": FINALIZED, "date": placed, "products": lines}]
        )
    for place in range(returns):
        placed = now - timedelta(days=3 + 90 * place / returns)
        rma = {"emag_id": PAST_RETURN + place, "order_id": PAST_ORDER + place, "date": placed}
        market.add_returns([{**rma, "request_status": CLOSED, "products": lines}])
    for shelf in (market.orders, market.returns):
        for number in shelf:
            shelf.show(number)  # completes it: eMAG does not make up an order when it is read


if __name__ == "__main__":
    main()
