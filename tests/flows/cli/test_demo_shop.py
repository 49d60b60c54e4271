"""The demo's shop: big enough, and with every kind of end in it."""

from __future__ import annotations

import asyncio

import psycopg

from flows.cli.demo_shop import lay_out
from integrations.sandbox.market import Market

HOST = "http://127.0.0.1:9"


async def test_at_least_sixty_rows_are_laid_out_and_captured(
    market: Market, database_url: str
) -> None:
    laid = await asyncio.to_thread(lay_out, market, HOST, database_url)

    with psycopg.connect(database_url) as connection:
        captured = connection.execute(
            "SELECT kind, count(DISTINCT row_id) FROM app.emag_changes GROUP BY 1"
        ).fetchall()
    parents = ("return_requests", "cancellation_requests", "invoices")
    assert sum(laid[table] for table in parents) >= 60
    assert dict(captured) == {
        "rma": laid["return_requests"],
        "cancellation": laid["cancellation_requests"],
        "invoice": laid["invoices"],
    }


async def test_every_order_but_the_wrong_ones_exists_at_emag(
    market: Market, database_url: str
) -> None:
    await asyncio.to_thread(lay_out, market, HOST, database_url)

    with psycopg.connect(database_url) as connection:
        orders = connection.execute(
            "SELECT emag_order_id FROM app.return_requests"
            " UNION SELECT emag_order_id FROM app.cancellation_requests"
            " UNION SELECT emag_order_id FROM app.invoices"
        ).fetchall()
    missing = {
        order for (order,) in orders if not order.isdecimal() or int(order) not in market.orders
    }
    assert missing == {"WEB-77", "4100000001"}
