"""Cancellations that wait for a person's word are seen in `status` and `inbox`, with the remedy."""

from __future__ import annotations

import psycopg
import pytest

from integrations.sandbox.market import Market
from tests.flows.cli.conftest import CommandLine

pytestmark = pytest.mark.usefixtures("shop")

APPROVED_ONLY = {"EMAG_CANCELLATIONS_REQUIRE_APPROVAL": "true"}
AT_MOST_TWO = {"EMAG_CANCELLATIONS_PAUSE_ABOVE": "2"}

ADD = """
    INSERT INTO app.cancellation_requests
           (emag_order_id, account_type, status, refund_amount, currency)
    VALUES (%s, 'main', %s, 100.50, 'RON')
"""


def cancel(database_url: str, market: Market, count: int, status: str = "pending") -> None:
    with psycopg.connect(database_url) as connection:
        for _ in range(count):
            order = market.add_order({"status": 2})
            connection.execute(ADD, [str(order["id"]), status])


async def test_what_is_not_approved_in_the_erp_is_counted_with_what_to_do(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market, 3)
    cancel(database_url, market, 1, status="approved")
    assert (await emag_flows("run", "cancellations", **APPROVED_ONLY)).code == 0

    status, as_json = (
        await emag_flows("status", **APPROVED_ONLY),
        await emag_flows("status", "--json", **APPROVED_ONLY),
    )
    inbox = await emag_flows("inbox", "--json", **APPROVED_ONLY)
    screen = await emag_flows("inbox", **APPROVED_ONLY)
    unasked = await emag_flows("inbox", "--json")

    assert "3 cancellations are pending in the ERP" in status.out
    assert "set each to approved in the ERP" in status.out
    assert "adopt" not in status.out
    assert as_json.json["adoptable"]["cancellation"] == 0
    [approval] = as_json.json["approvals"]
    assert approval["rows"] == 3
    [matter] = inbox.json
    assert (matter["kind"], matter["subject"], matter["waiting_for"]) == (
        "approval",
        "cancellations: 3",
        "person",
    )
    assert matter["since"] is not None
    assert "EMAG_CANCELLATIONS_REQUIRE_APPROVAL=true" in matter["reason"]
    assert "set each to approved" in matter["remedy"]
    assert "cancellations: 3" in screen.out
    assert unasked.json == []


async def test_more_than_may_go_unasked_are_counted_with_how_to_answer(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market, 2)
    few = await emag_flows("status", "--json", **AT_MOST_TWO)
    cancel(database_url, market, 1)

    status = await emag_flows("status", **AT_MOST_TWO)
    [matter] = (await emag_flows("inbox", "--json", **AT_MOST_TWO)).json

    assert few.json["approvals"] == []
    assert "Account main: 3 cancellations are due with refunds of 301.50 RON" in status.out
    assert "press Resume on the suspended run of cancellation-sync" in status.out
    assert "`emag-flows run cancellations --yes`" in status.out
    assert (matter["kind"], matter["account"]) == ("approval", "main")
    assert "EMAG_CANCELLATIONS_PAUSE_ABOVE=2" in matter["reason"]

    assert (await emag_flows("run", "cancellations", "--yes", **AT_MOST_TWO)).code == 0
    assert (await emag_flows("inbox", "--json", **AT_MOST_TWO)).json == []
