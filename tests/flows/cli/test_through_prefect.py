"""A command that runs as a flow says what it says without a server; Prefect shows a failed run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL

from flows.prefect_server import settings_for
from integrations.sandbox.market import Market
from tests.flows.asking import ask
from tests.flows.cli.conftest import CommandLine, Said

pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("prefect-cli"),
    pytest.mark.usefixtures("shop"),
]

NOBODY = "127.0.0.1:9"
AS_A_FLOW = "running as a flow of the Prefect server at PREFECT_API_URL"
DIRECTLY = "PREFECT_API_URL is not set: running directly, without Prefect"


@pytest.fixture
def server(prefect_server: None, tmp_path: Path) -> dict[str, str]:
    """The variables that name the Prefect server."""
    return settings_for(tmp_path / "prefect", PREFECT_API_URL.value())


async def last_run(server: dict[str, str]) -> dict[str, Any]:
    newest = {"sort": "START_TIME_DESC", "limit": 1}
    url = server["PREFECT_API_URL"]
    [run] = await ask("POST", f"{url}/flow_runs/filter", newest)
    return dict(run)


def shown(said: Said) -> tuple[int, Any, list[str]]:
    """Exit code, what was found wrong, and standard error without the line on the way it took."""
    lines = [line for line in said.err.splitlines() if line not in (AS_A_FLOW, DIRECTLY)]
    found = said.json if said.out else []
    wrong = [each["name"] for each in found if not each["ok"]]
    return said.code, wrong, [line.partition(" WARNING ")[2] or line for line in lines]


async def test_what_goes_wrong_looks_the_same_with_a_server_and_without(
    emag_flows: CommandLine, server: dict[str, str], market: object
) -> None:
    no_emag = {"EMAG_BASE_URL": f"http://{NOBODY}/api-3", "EMAG_ENVIRONMENT": "sandbox"}
    no_database = {"DATABASE_URL": f"postgresql://emag@{NOBODY}/erp"}

    direct = await emag_flows("run", "health", "--json", **no_emag)
    flow = await emag_flows("run", "health", "--json", **no_emag, **server)
    assert shown(flow) == shown(direct) == (3, ["eMAG answers account main"], [])
    run = await last_run(server)
    assert (run["name"], run["state_type"]) == ("health-all", "FAILED")
    assert "eMAG answers account main" in run["state"]["message"]

    direct = await emag_flows("run", "health", "--json", **no_database)
    flow = await emag_flows("run", "health", "--json", **no_database, **server)
    assert shown(flow) == shown(direct)
    assert flow.code == 3
    assert "Traceback" not in flow.err
    assert flow.err.splitlines()[-1].startswith("emag-flows: the database cannot be reached")
    assert (await last_run(server))["state_type"] == "FAILED"

    await a_sync_shows_its_report(emag_flows, server, no_emag)


async def a_sync_shows_its_report(
    emag_flows: CommandLine, server: dict[str, str], no_emag: dict[str, str]
) -> None:
    direct = await emag_flows("run", "rma", "--json", **no_emag)
    flow = await emag_flows("run", "rma", "--json", **no_emag, **server)

    assert (flow.code, flow.err) == (direct.code, f"{AS_A_FLOW}\n")
    assert flow.code == 3
    assert flow.json["account"] == "main"
    assert flow.json["unreachable"]
    run = await last_run(server)
    assert (run["name"], run["state_type"]) == ("returns-all-both", "FAILED")


async def artifact_of(server: dict[str, str], run: dict[str, Any], kind: str) -> str:
    wanted = {"flow_runs": {"id": {"any_": [run["id"]]}}, "artifacts": {"type": {"any_": [kind]}}}
    [artifact] = await ask("POST", f"{server['PREFECT_API_URL']}/artifacts/filter", wanted)
    return str(artifact["data"])


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()


async def test_a_backfill_that_emag_goes_away_from_shows_what_was_stored(
    emag_flows: CommandLine, server: dict[str, str], market: Market
) -> None:
    market.add_order({"status": 0, "date": datetime.now(UTC) - timedelta(days=9)})
    market.faults.add("rma/*", kind="http_503_html", times=None)
    command = ("backfill", "--since", days_ago(10), "--until", days_ago(8))

    flow = await emag_flows(*command, **server)
    run = await last_run(server)
    as_json = await emag_flows(*command, "--json", **server)

    assert (flow.code, as_json.code) == (3, 3)
    assert "│ orders, own" in flow.out
    assert "the same command goes on from here" in flow.out
    assert "Traceback" not in flow.err
    assert as_json.json["unreachable"]
    assert as_json.json["history"]["orders:3"]["stored"] > 0
    assert (run["name"][:8], run["state_type"]) == ("backfill", "FAILED")
    table = json.loads(await artifact_of(server, run, "table"))
    assert any(line["what"] == "orders, own" and line["rows"] == 1 for line in table), table


async def test_a_reconciliation_that_emag_goes_away_from_says_so(
    emag_flows: CommandLine, server: dict[str, str], market: Market
) -> None:
    market.add_order({"status": 0, "date": datetime.now(UTC) - timedelta(days=2)})
    market.faults.add("rma/*", kind="http_503_html", times=None)

    flow = await emag_flows("reconcile", "--recount-minutes", "0", **server)
    run = await last_run(server)

    assert flow.code == 3
    assert "account main: no certificate, eMAG could not be worked with" in flow.out
    assert "the same command goes on from here" in flow.out
    assert "Traceback" not in flow.err
    assert (run["name"][:9], run["state_type"]) == ("reconcile", "FAILED")
    assert "**No certificate**" in await artifact_of(server, run, "markdown")
