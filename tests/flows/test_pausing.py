"""More cancellations than may go unasked wait for a person, with or without Prefect."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest

from integrations.sandbox.market import Market
from tests.flows.asking import ask, cancellation_deployment, run_that_is
from tests.flows.cli.conftest import CommandLine, emag_flows, run_as_process, shop, variables
from tests.flows.test_up import ADD, start

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


async def test_a_run_of_prefect_waits_for_the_form_and_does_as_it_says(
    tmp_path: Path, prefect_home: Path, market: Market, emag_url: str, database_url: str
) -> None:
    """One test, because each start of a Prefect server takes five seconds."""
    shutil.copytree(prefect_home, tmp_path / ".emag" / "prefect")
    environment = {
        "DATABASE_URL": database_url,
        "EMAG_USERNAME": "seller@example.com",
        "EMAG_PASSWORD": "secret",
        "EMAG_BASE_URL": emag_url,
        "EMAG_QUIET_SECONDS": "0",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **PAUSE,
    }
    cancel(database_url, market, 4)
    up = await start(tmp_path, environment)
    try:
        api = (await up.says(r"Prefect (http\S+) · endpoints"))[1] + "/api"
        refused = await begin_run(api, "SUSPENDED")
        inbox = {**environment, "PREFECT_API_URL": api}
        assert (await remedy(inbox, tmp_path)).startswith(
            f"press Resume on the suspended run {refused['name']} in Prefect"
        )
        with psycopg.connect(database_url) as connection:
            leased = connection.execute("SELECT count(*) FROM app.emag_order_leases").fetchone()
        assert leased == (0,)
        beside = await begin_run(api, "COMPLETED")
        assert market.journal.effects == []
        assert beside["state_name"] == "Completed"

        await answer(api, refused, {"approve": False})
        ended = await run_that_is(api, refused["id"], "COMPLETED")
        assert ended["state_name"] == "Refused by a person"
        assert set(states(database_url)) <= {"pending"}
        assert (await remedy(inbox, tmp_path)).startswith(
            "no run of cancellation-sync is suspended"
        )

        approved = await begin_run(api, "SUSPENDED")
        await answer(api, approved, {"approve": True, "at_most": 3})
        ended = await run_that_is(api, approved["id"], "COMPLETED")
        assert ended["state_name"] == "Completed"
        assert states(database_url) == ["pending", *["synced"] * 3]
    finally:
        up.process.terminate()
        await up.process.communicate()


async def remedy(environment: dict[str, str], folder: Path) -> str:
    """What the inbox says is to be done about the cancellations that wait."""
    [approval] = (await run_as_process(["inbox", "--json"], environment, folder)).json
    return str(approval["remedy"])


async def begin_run(api: str, wanted: str) -> dict[str, Any]:
    deployment = await cancellation_deployment(api)
    run = await ask("POST", f"{api}/deployments/{deployment}/create_flow_run", {})
    return await run_that_is(api, run["id"], wanted)


async def answer(api: str, run: dict[str, Any], filled_in: dict[str, Any]) -> None:
    """Send the form, as the UI does when a person has filled it in.

    Prefect shows a run as suspended a moment before it has the form.
    """
    sent: dict[str, Any] = {}
    for _ in range(300):
        sent = await ask("POST", f"{api}/flow_runs/{run['id']}/resume", {"run_input": filled_in})
        if sent["details"].get("reason") != "Run input schema not found.":
            break
        await asyncio.sleep(0.1)
    assert sent["status"] == "ACCEPT", sent
