"""The demo's afternoon: it ends the same each time, however fast the machine is."""

from __future__ import annotations

import psycopg
import pytest

from flows.cli.demo_day import until_believed
from integrations.sandbox.market import Market
from tests.flows.cli.conftest import CommandLine

pytestmark = pytest.mark.usefixtures("shop")


async def test_a_wish_that_was_just_carried_is_completed_by_the_reconciliation(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    order = int(market.add_order({"status": 2})["id"])
    market.customer_asks_to_cancel(order)
    await emag_flows("run", "cancellations", "--direction", "in")
    await emag_flows("run", "cancellations", "--direction", "out")

    await until_believed(database_url)
    await emag_flows("reconcile", "--recount-minutes", "0")

    with psycopg.connect(database_url) as connection:
        statuses = connection.execute("SELECT status FROM app.cancellation_requests").fetchall()
    assert statuses == [("completed",)]


async def test_there_is_nothing_to_wait_for_before_anything_was_sent(database_url: str) -> None:
    await until_believed(database_url)
