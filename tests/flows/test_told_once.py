"""Deadlines and rows that need a person become events of the Prefect server, once."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

import pytest
from prefect import get_client
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.events.schemas.events import ReceivedEvent

from flows import deployed, rma_sync
from flows.cli import health, run
from flows.parameters import CancellationParameters, HealthParameters, SyncParameters
from flows.rma import sync_returns
from flows.untold import gather_untold
from integrations.emag.accounts import Account
from integrations.erp.rows import Kind
from integrations.ledger.database import rolled_back
from integrations.ledger.engine import Engine
from integrations.ledger.replay import Reference, replay
from tests.flows.test_deployed import last_run, tables_of
from tests.flows.test_resident import residing, until
from tests.integrations.ledger.mirrored import (
    ORDER,
    execute,
    hours_ago,
    insert,
    mirror_order,
    mirror_return,
)

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.usefixtures("prefect_server", "configured"),
]


async def events(name: str, since: datetime, at_least: int) -> list[ReceivedEvent]:
    """The events of this name that happened since then, once so many have reached the server."""
    found: list[ReceivedEvent] = []
    async with get_client() as client:
        for _ in range(200):  # they get there a moment later
            page = await client.read_events(
                filter=EventFilter(event=EventNameFilter(name=[name])), limit=50
            )
            found = [event for event in page.events if event.occurred >= since]
            if len(found) >= at_least:
                break
            await asyncio.sleep(0.1)
    return found


async def test_a_deadline_becomes_one_event_whichever_run_meets_it_first(
    engine: Engine, account: Account
) -> None:
    began, platform, passed = datetime.now(UTC), account.platform, date(2026, 1, 1)
    await mirror_return(engine, 52000077, platform=platform, finalize_by=passed)
    await mirror_return(engine, 52000078, platform=platform, finalize_by=passed)

    await deployed.health_check(HealthParameters(), return_state=True)
    await mirror_order(engine, platform=platform, finalized_at=hours_ago(60))
    await rma_sync()
    await deployed.health_check(HealthParameters(), return_state=True)

    found = await events("emag.deadline", began, at_least=3)
    assert sorted(event.resource.id for event in found) == [
        f"emag.order.{ORDER}",
        "emag.return.52000077",
        "emag.return.52000078",
    ]
    assert {key for event in found for key in event.payload} == {
        "platform",
        "account",
        "about",
        "subject",
        "due_at",
        "what",
        "remedy",
    }


@pytest.mark.parametrize("command", ["a sync", "the health check"])
async def test_a_deadline_that_a_terminal_has_logged_becomes_an_event_of_the_next_run(
    engine: Engine, account: Account, command: str
) -> None:
    began = datetime.now(UTC)
    passed = date(2026, 1, 1)
    await mirror_return(engine, 52000077, platform=account.platform, finalize_by=passed)

    if command == "a sync":
        await run._directly(run.What.RMA, CancellationParameters())
    else:
        await health._directly(HealthParameters())
    raised = await alarms_in(engine)
    await rma_sync()
    await deployed.health_check(HealthParameters(), return_state=True)

    assert raised == [("52000077", False)]
    assert await alarms_in(engine) == [("52000077", True)]
    [event] = await events("emag.deadline", began, at_least=1)
    assert event.resource.id == "emag.return.52000077"


async def alarms_in(engine: Engine) -> list[tuple[str, bool]]:
    """What was raised, and whether it was told."""
    async with rolled_back(engine) as connection:
        found = await connection.execute(
            "SELECT subject, told_at IS NOT NULL AS told FROM app.emag_alarms"
        )
        return [(row.subject, row.told) for row in found]


REFUSED = "SELECT sync_state FROM app.emag_return_integrations WHERE sync_state = 'refused'"


async def ask_for_a_return(engine: Engine) -> None:
    """The ERP approves a return of an order that can't be."""
    row = {"status": "approved", "reason": "other", "customer_name": "Ana Exemplu"}
    await insert(engine, "return_requests", emag_order_id=f"x{ORDER}", **row)


async def rows_of_the_last_run(name: str) -> list[tuple[str, str]]:
    """Which rows stand in the table of the last run of this name, and with which state."""
    [table] = await tables_of(await last_run(name))
    return [(line["row"], line["state"]) for line in table if ":" in line["row"][:13]]


async def test_a_refused_row_becomes_an_event_with_its_reason(engine: Engine) -> None:
    began = datetime.now(UTC)
    await ask_for_a_return(engine)

    await rma_sync()

    assert await rows_of_the_last_run("returns-all-both") == [("rma:1", "refused")]
    [event] = await events("emag.row.refused", began, at_least=1)
    assert event.resource.id == "emag.rma.1"
    assert event.payload["account"] == "main"
    assert "is no eMAG order number" in event.payload["reason"]
    assert "Ana" not in str(event.payload)


async def test_what_the_resident_loop_refuses_is_told_by_the_next_run_and_no_other(
    engine: Engine, database_url: str
) -> None:
    began = datetime.now(UTC)
    async with residing():
        await ask_for_a_return(engine)
        await until(database_url, REFUSED, lambda rows: len(rows) == 1)

    first = await deployed.cancellation_sync(return_state=True)
    shown = await rows_of_the_last_run("cancellations-all-both")
    second = await deployed.cancellation_sync(return_state=True)

    assert (first.name, shown) == ("Refusals", [("rma:1", "refused, not by this run")])
    assert (second.name, await rows_of_the_last_run("cancellations-all-both")) == ("Completed", [])

    await ask_for_a_return(engine)
    await rma_sync()
    found = await events("emag.row.refused", began, at_least=2)
    assert sorted(event.resource.id for event in found) == ["emag.rma.1", "emag.rma.2"]


async def test_what_a_terminal_refuses_is_told_by_a_run_and_anew_after_a_replay(
    engine: Engine,
) -> None:
    began = datetime.now(UTC)
    await ask_for_a_return(engine)
    await sync_returns(SyncParameters())
    await rma_sync()

    await replay(engine, [Reference(Kind.RMA, 1)])
    await sync_returns(SyncParameters())
    await rma_sync()

    assert await rows_of_the_last_run("returns-all-both") == [("rma:1", "refused, not by this run")]
    assert len(await events("emag.row.refused", began, at_least=2)) == 2


async def test_a_dry_run_tells_nothing(engine: Engine) -> None:
    await ask_for_a_return(engine)
    await sync_returns(SyncParameters())

    await rma_sync(dry_run=True)

    assert [each.problem.row_id for each in (await gather_untold("all")).told] == [1]


async def test_what_keeps_rows_from_being_told_stops_no_run(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    await ask_for_a_return(engine)
    await execute(engine, "DROP TABLE app.emag_alarms")

    [report] = await rma_sync()

    assert [problem.row_id for problem in report.problems] == [1]
    assert await rows_of_the_last_run("returns-all-both") == [("rma:1", "refused")]
    assert "no row could be told" in caplog.text
