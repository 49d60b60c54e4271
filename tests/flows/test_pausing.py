"""More cancellations than may go unasked wait for a person, also where nobody runs Prefect."""

from __future__ import annotations

import psycopg
import pytest

from integrations.sandbox.market import Market
from tests.flows.cli.conftest import CommandLine, emag_flows, shop, variables
from tests.flows.test_up import ADD

__all__ = ["emag_flows", "shop", "variables"]

pytestmark = pytest.mark.long

PAUSE = {"EMAG_CANCELLATIONS_PAUSE_ABOVE": "2"}
STATES = "SELECT sync_state FROM app.emag_cancellation_integrations"


def cancel(database_url: str, market: Market, count: int) -> None:
    with psycopg.connect(database_url) as connection:
        for _ in range(count):
            order = market.add_order({"status": 2})
            connection.execute(ADD.encode(), [str(order["id"])])
        connection.execute(
            "UPDATE app.cancellation_requests SET refund_amount = 100.50, currency = 'RON'"
        )


def states(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        return sorted(str(state) for (state,) in connection.execute(STATES.encode()))


@pytest.mark.usefixtures("shop")
async def test_a_direct_run_stops_with_one_line_until_it_is_told_yes(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market, 3)

    stopped = await emag_flows("run", "cancellations", **PAUSE)

    last = stopped.err.splitlines()[-1]
    assert stopped.code == 1
    assert "3 cancellations are due with refunds of 301.50 RON" in last
    assert "--yes" in last
    assert market.journal.effects == []

    dry = await emag_flows("run", "cancellations", "--dry-run", **PAUSE)
    assert dry.code == 0
    told = await emag_flows("run", "cancellations", "--yes", "--json", **PAUSE)
    assert (told.code, told.json["rows"]["synced"]) == (0, 3)


@pytest.mark.usefixtures("shop")
async def test_what_may_go_unasked_goes(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market, 2)

    said = await emag_flows("run", "cancellations", "--json", **PAUSE)

    assert (said.code, said.json["rows"]["synced"]) == (0, 2)


@pytest.mark.usefixtures("shop")
async def test_what_went_unasked_in_the_last_hour_counts_until_a_person_has_spoken(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market, 2)
    assert (await emag_flows("run", "cancellations", **PAUSE)).code == 0
    nothing_due = await emag_flows("run", "cancellations", **PAUSE)
    cancel(database_url, market, 1)

    stopped = await emag_flows("run", "cancellations", **PAUSE)
    [shown] = (await emag_flows("inbox", "--json", **PAUSE)).json

    assert (nothing_due.code, stopped.code) == (0, 1)
    why = (
        "1 cancellation is due with refunds of 100.50 RON, with the 2 of the last hour more than"
        " EMAG_CANCELLATIONS_PAUSE_ABOVE=2 lets go unasked"
    )
    assert why in stopped.err
    assert shown["reason"] == why
    assert states(database_url) == ["synced"] * 2

    assert (await emag_flows("run", "cancellations", "--yes", **PAUSE)).code == 0
    cancel(database_url, market, 2)
    assert (await emag_flows("run", "cancellations", **PAUSE)).code == 0
    assert states(database_url) == ["synced"] * 5


@pytest.mark.usefixtures("shop")
async def test_an_hour_later_as_many_go_unasked_again(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market, 2)
    await emag_flows("run", "cancellations", **PAUSE)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE app.emag_cancellation_integrations SET unasked_at = unasked_at - interval '1 h'"
        )
    cancel(database_url, market, 2)

    assert (await emag_flows("run", "cancellations", **PAUSE)).code == 0
    assert states(database_url) == ["synced"] * 4


async def test_only_cancellations_are_approved(emag_flows: CommandLine) -> None:
    assert (await emag_flows("run", "rma", "--yes")).code == 2
