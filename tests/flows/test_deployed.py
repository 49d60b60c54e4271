"""The flows under a real Prefect server: names, forms, task runs, tables, and how a run ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, TaskRun

from flows import cancellation_sync, deployed, health_check, invoice_sync, rma_sync
from flows.parameters import CancellationParameters, HealthParameters
from integrations.ledger.books import State
from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine
from integrations.sandbox.market import Market

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.usefixtures("prefect_server", "configured"),
]


async def add_cancellation(database_url: str, number: str, order_id: str) -> None:
    engine = Engine(database_url)
    async with transaction(engine) as connection:
        await connection.execute(
            "INSERT INTO app.cancellation_requests (cancellation_number, emag_order_id,"
            " customer_name, customer_email, status, reason)"
            " VALUES (:number, :order_id, 'Ioana Exemplu', 'ioana@example.com', 'pending',"
            " 'other')",
            {"number": number, "order_id": order_id},
        )
    engine.close()


async def last_run(name: str) -> FlowRun:
    async with get_client() as client:
        runs = await client.read_flow_runs(sort="START_TIME_DESC", limit=5)  # type: ignore[arg-type]
        return next(run for run in runs if run.name.startswith(name))


async def tables_of(run: FlowRun) -> list[list[dict[str, Any]]]:
    async with get_client() as client:
        artifacts = await client.read_artifacts(
            artifact_filter=ArtifactFilter(type=ArtifactFilterType(any_=["table"])),
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])),
        )
        return [json.loads(str(artifact.data)) for artifact in artifacts]


async def test_a_run_says_account_and_direction_and_leaves_a_table(
    database_url: str, market: Market
) -> None:
    market.add_order({"id": 480000101, "status": 2})
    await add_cancellation(database_url, "C-1", "480000101")

    [report] = await cancellation_sync(account="main")

    assert report.rows[State.SYNCED] == 1
    run = await last_run("cancellations-main-both")
    assert (run.state_name, run.parameters["parameters"]["account"]) == ("Completed", "main")
    [table] = await tables_of(run)
    assert table[0]["account"] == "main"
    assert "1 synced" in table[0]["state"]


async def test_the_steps_of_the_story_are_task_runs_over_batches(
    database_url: str, market: Market
) -> None:
    for order_id in range(480000101, 480000121):
        market.add_order({"id": order_id, "status": 2})
        await add_cancellation(database_url, f"C-{order_id}", str(order_id))

    state = await deployed.cancellation_sync(CancellationParameters(), return_state=True)

    assert state.state_details.flow_run_id is not None
    names: list[str] = []
    task_runs: list[TaskRun] = []
    async with get_client() as client:
        for _ in range(100):  # task runs reach the server's database a moment later
            task_runs = await client.read_task_runs(
                task_run_filter=TaskRunFilter(
                    flow_run_id=TaskRunFilterFlowRunId(any_=[state.state_details.flow_run_id])
                )
            )
            names = sorted({run.name.rsplit("-", 1)[0] for run in task_runs})
            if "receive-orders" in names:
                break
        assert names == [
            "call-emag",
            "fold-changes",
            "load-pending-rows",
            "persist-answers",
            "receive-orders",
            "write-back",
        ]
        assert len(task_runs) <= 12


async def test_refused_rows_make_a_run_completed_with_refusals(database_url: str) -> None:
    await add_cancellation(database_url, "C-1", "not a number")
    await add_cancellation(database_url, "C-2", "480000199")

    state = await deployed.cancellation_sync(CancellationParameters(), return_state=True)

    assert (state.type.value, state.name) == ("COMPLETED", "Refusals")
    [table] = await tables_of(await last_run("cancellations-all-both"))
    assert any("480000199" in line["reason"] for line in table)


async def test_an_emag_that_cannot_be_worked_with_fails_the_run(
    database_url: str, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAG_PASSWORD", "wr0ng-s3cret")
    await add_cancellation(database_url, "C-1", "480000101")

    state = await deployed.cancellation_sync(CancellationParameters(), return_state=True)

    assert state.is_failed()
    assert "EMAG_PASSWORD" in (state.message or "")
    assert "wr0ng-s3cret" not in (state.message or "")


async def test_a_dry_run_leaves_nothing_but_its_lines(database_url: str, market: Market) -> None:
    market.add_order({"id": 480000101, "status": 1})
    await add_cancellation(database_url, "C-1", "480000101")

    [report] = await cancellation_sync(account="main", dry_run=True)

    [line] = report.plans
    assert (line.order_id, len(line.steps)) == (480000101, 2)
    run = await last_run("cancellations-main-both-dry-run")
    assert await tables_of(run) == []
    assert market.journal.effects == []


async def test_the_other_flows_run_too(market: Market) -> None:
    [returns] = await rma_sync()
    [invoices] = await invoice_sync()
    assert (returns.flow, invoices.flow) == ("rma-sync", "invoice-sync")
    assert (await last_run("returns-all-both")).state_name == "Completed"


async def test_a_healthy_shop_passes_the_health_check_with_a_table() -> None:
    await health_check()
    run = await last_run("health-all")
    [table] = await tables_of(run)
    assert {line["result"] for line in table} == {"ok"}
    assert any(line["check"] == "eMAG answers account main" for line in table)


async def test_the_health_check_fails_when_something_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EMAG_PASSWORD", "wr0ng-s3cret")
    state = await deployed.health_check(HealthParameters(), return_state=True)
    assert state.is_failed()
    assert "eMAG answers account main" in (state.message or "")
    assert "wr0ng-s3cret" not in (state.message or "")


@pytest.mark.parametrize(
    "wrong",
    [{"max_in_flight": 17}, {"limit": 0}, {"direction": "sideways"}, {"acount": "main"}],
)
async def test_what_the_form_forbids_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        await cancellation_sync(**wrong)
