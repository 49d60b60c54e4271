"""An invented shop in every state that an order or a return can be in."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from integrations.sandbox.catalogue import PRODUCTS
from integrations.sandbox.market import Market
from integrations.sandbox.wire import Json

FIRST_ORDER = 480000101

# (order status, share of the shop)
_STATUSES: tuple[tuple[int, int], ...] = ((1, 15), (2, 25), (3, 15), (4, 35), (0, 7), (5, 3))
# How old a finalized or cancelled order is, in hours: inside and outside of every window
_AGES = (2, 20, 47, 50, 24 * 10, 24 * 34, 24 * 36, 24 * 90)
_RETURN_STATUSES = (2, 3, 6, 7, 4, 5, 2, 3, 6, 1)


def populate(market: Market, seed: int = 1, orders: int = 200) -> None:
    """Lay out a shop, the same for a seed: orders, returns, documents, attachments and invoices.

    Orders have ids from 480000101 on; every status, type, payment mode and age occurs once there
    are about a hundred. Names, products and addresses are invented.
    """
    chance = random.Random(seed)  # noqa: S311 - a shop to look at, not a secret
    now = market.now()
    number = FIRST_ORDER
    for place in range(orders):
        order = market.add_order(_order(chance, number, place, now))
        if order["status"] in (4, 5) and chance.random() < 0.6:
            _attach_invoice(market, order)
        if order["status"] in (4, 5) and chance.random() < 0.5:
            _open_return(market, chance, order, now)
        number += chance.randint(1, 9)
    _issue_invoices(market, now)


def _order(chance: random.Random, number: int, place: int, now: datetime) -> Json:
    statuses = [status for status, _ in _STATUSES]
    weights = [weight for _, weight in _STATUSES]
    # the first six show each status once, whatever the seed
    status = statuses[place] if place < len(statuses) else chance.choices(statuses, weights)[0]
    changed = now - timedelta(hours=chance.choice(_AGES), minutes=chance.randint(0, 50))
    if status in (1, 2, 3):
        changed = now - timedelta(hours=chance.randint(1, 40))
    placed = changed - timedelta(hours=chance.randint(1, 70))
    order: Json = {
        "id": number,
        "status": status,
        "type": 2 if chance.random() < 0.15 else 3,
        "payment_mode_id": chance.choices((1, 2, 3, None), (50, 10, 38, 2))[0],
        "date": placed,
        "modified": changed,
        "products": _lines(chance),
    }
    if status in (4, 5):
        order["finalization_date"] = changed
    if status == 0:
        order["reason_cancellation"] = chance.choice((2, 24, 33))
    if status in (2, 3) and chance.random() < 0.15:
        order["cancellation_request"] = changed
    if status == 5:
        for line in order["products"]:
            line |= {"initial_qty": line["quantity"], "storno_qty": line["quantity"], "quantity": 0}
    return order


def _lines(chance: random.Random) -> list[Json]:
    chosen = chance.sample(PRODUCTS, chance.choices((1, 2, 3), (5, 3, 2))[0])
    return [
        {"product_id": product.product_id, "quantity": chance.choices((1, 2, 4), (6, 3, 1))[0]}
        for product in chosen
    ]


def _attach_invoice(market: Market, order: Json) -> None:
    name = f"EX-{order['id']}"
    path = market.add_document(name)
    order["attachments"].append(
        {
            "order_id": order["id"],
            "order_type": order["type"],
            "name": f"Factura {name}",
            "url": f"https://facturi.example.com{path}",
            "type": 1,
            "force_download": 0,
            "visibility": "customer",
        }
    )


def _open_return(market: Market, chance: random.Random, order: Json, now: datetime) -> None:
    line = chance.choice(order["products"])
    market.add_return(
        {
            "order_id": order["id"],
            "type": order["type"],
            "request_status": _RETURN_STATUSES[len(market.returns) % len(_RETURN_STATUSES)],
            "pickup_method": chance.choice((1, 1, 1, 2, 3, 4)),
            "date": now - timedelta(hours=chance.randint(2, 24 * 12)),
            "products": [{"product_id": line["product_id"], "quantity": 1}],
        }
    )


def _issue_invoices(market: Market, now: datetime) -> None:
    for category, name in (("FC", "Commission"), ("FCD", "Commission discount")):
        market.add_issued_invoice({"category": category, "name": name})
    for order_id in list(market.orders)[:3]:
        market.add_issued_invoice({"category": "normal", "order_id": order_id})
