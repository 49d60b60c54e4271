"""What automations.yaml promises, on a real server: who is told of what, and what is done.

The tests share one server, each start of which takes ten seconds.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.deploy import deploy
from flows.deployed import SAID_AGAIN_AFTER
from flows.events import Event, asking_event
from flows.prefect_server import prefect_server, settings_for
from integrations.emag.accounts import Account
from integrations.ledger.engine import Engine
from tests.flows.asking import LONGEST, PAUSE, ask, run_that_is
from tests.flows.chat import Chat, open_chat
from tests.integrations.ledger.mirrored import ORDER, RETURN, execute, insert, mirror_return

pytestmark = pytest.mark.xdist_group("automations")

# Seconds. A run's silence: longer than from one sign of life to the next, which Prefect takes for
# 30 s at least. A late run's: the least that Prefect takes.
WITHIN = {"emag-crashed-runs": 45, "emag-late-runs": 10}

ASKED = "7 cancellations are due"

FAILED = {"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}}

CUSTOMER = {"customer_name": "Ana Exemplu", "customer_email": "ana@example.com"}

ROOT = Path(__file__).parents[2]

# Says its number once it is Running, and sends a sign of life then.
ENDLESS = """
import asyncio
from prefect import flow
from prefect.context import FlowRunContext
@flow(name="rma-sync")
async def endless():
    print(FlowRunContext.get().flow_run.id, flush=True)
    await asyncio.sleep(600)
asyncio.run(endless())
"""

# Three at a time, so that they come to their end soon on a slow machine, too.
SUSPENDED = """
import asyncio, sys
from prefect import get_client
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from flows import deployed
from flows.pausing import Question
async def question_of(parameters):
    return Question(3, 2, {})
async def suspend(client, deployment, account):
    run = await client.create_flow_run_from_deployment(
        deployment, parameters={"parameters": {"account": account}}
    )
    try:
        await run_flow(deployed.cancellation_sync, flow_run=run)
    except Pause:
        print(run.id, flush=True)
async def suspend_all(deployment, count):
    deployed.question_of = question_of
    async with get_client() as client:
        for begin in range(0, count, 3):
            accounts = [f"shop{number}" for number in range(begin, begin + 3)]
            await asyncio.gather(*(suspend(client, deployment, account) for account in accounts))
asyncio.run(suspend_all(sys.argv[1], int(sys.argv[2])))
"""
SUSPENSIONS = 6


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    """The seller's chat."""
    with open_chat() as chat:
        yield chat


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    prefect_database: Path, tmp_path_factory: pytest.TempPathFactory, chat: Chat
) -> AsyncIterator[str]:
    """The API of a server with our automations, which tell the chat and wait less long."""
    home = tmp_path_factory.mktemp("server")
    shutil.copy(prefect_database, home / "prefect.db")
    async with prefect_server(home) as url:
        with temporary_settings({PREFECT_API_URL: url}):
            sent = {"subject": "{{subject}}", "body": "{{body}}"}
            block = CustomWebhookNotificationBlock(name="chat", url=chat.url, json_data=sent)
            await block.asave("chat")
            await deploy(["main"], "custom-webhook/chat")
        for each in await ask("POST", f"{url}/automations/filter", {}):
            if each["name"] in WITHIN:
                each["trigger"]["within"] = WITHIN[each["name"]]
                wanted = ("name", "description", "enabled", "tags", "trigger", "actions")
                body = {field: each[field] for field in wanted}
                await ask("PUT", f"{url}/automations/{each['id']}", body)
        await switch(url, "emag-questions", on=False)
        yield url


async def switch(api: str, name: str, *, on: bool) -> None:
    """Let an automation work or rest.

    Of what many runs say at once a busy server loses the more, the more automations react to it.
    """
    [found] = [
        each for each in await ask("POST", f"{api}/automations/filter", {}) if each["name"] == name
    ]
    await ask("PATCH", f"{api}/automations/{found['id']}", {"enabled": on})


async def test_a_killed_run_becomes_crashed_and_one_that_asks_a_person_does_not(
    server: str, prefect_home: Path, chat: Chat
) -> None:
    asking = [await overtaken(server), *await suspended_runs(server, prefect_home)]
    async with endless_run(prefect_home, server) as (process, killed):
        await sign_of_life(server, killed)
        process.kill()

        state = (await run_that_is(server, killed, "CRASHED"))["state"]

    assert state["message"].startswith("no sign of life for 90 s")
    waits = [(await ask("GET", f"{server}/flow_runs/{each}"))["state_name"] for each in asking]
    assert waits == ["Suspended"] * (1 + SUSPENSIONS)
    said = [len(await events_of(server, each, "emag.run.asks")) for each in asking]
    assert said == [2] + [1 + len(SAID_AGAIN_AFTER)] * SUSPENSIONS

    [told] = await chat.all_of("eMAG: a run was killed")
    assert told == (
        f"rma-sync, {await name_of(server, killed)}: the next scheduled run goes on where it"
        f" stopped. {link_to(server, killed)}"
    )


async def test_a_person_is_told_once_of_what_a_run_asks_however_often(
    server: str, chat: Chat
) -> None:
    await switch(server, "emag-questions", on=True)
    run = await waiting_run(server)
    for _ in range(1 + len(SAID_AGAIN_AFTER)):
        await emit(server, asking_event(run, ASKED))
        await asyncio.sleep(0.5)  # Prefect's automations look at two events at once

    [told] = await chat.all_of("eMAG: cancellations wait for your word", run)
    assert told == (
        f"{ASKED}: open {await name_of(server, run)} in Prefect and press Resume."
        f" {link_to(server, run)}"
    )


async def test_a_run_that_does_not_begin_is_told(server: str, chat: Chat) -> None:
    late = await late_run(server)

    told = await chat.await_message("eMAG: a run does not begin", late)

    assert told == (
        f"invoice-sync, {await name_of(server, late)}, has not begun ten minutes after its time:"
        f" is a worker running? {link_to(server, late)}"
    )


@pytest.mark.usefixtures("configured")
async def test_what_the_health_check_finds_and_what_is_due_are_told_without_customers_data(
    server: str, prefect_home: Path, chat: Chat, engine: Engine, account: Account
) -> None:
    await mirror_return(
        engine, platform=account.platform, order_id=ORDER, finalize_by=date(2026, 1, 1)
    )
    await insert(engine, "return_requests", emag_order_id=str(ORDER), **CUSTOMER)
    await execute(engine, "UPDATE app.emag_changes SET at = at - interval '3 days'")

    check = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", "run", "health"),
        env=environment_of_run(prefect_home, server) | {"PYTHONPATH": str(ROOT)},
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    assert await check.wait() == 1

    wrong = await chat.await_message("eMAG: something is wrong")
    [run] = await ask("POST", f"{server}/flow_runs/filter", FAILED)
    assert wrong.startswith("no change of the ERP's waits to be queued for longer than 60 min: 1")
    assert "deadlines at eMAG, account main: returns to finalize: 1 late" in wrong
    assert wrong.endswith(link_to(server, run["id"]))
    due = await chat.await_message("eMAG: due soon")
    assert due == (
        f"return {RETURN} of order {ORDER} (account main) is due 2026-01-01 22:00 UTC: complete or"
        " reject the return in the ERP, or finalize it in eMAG's panel."
    )
    assert not any(each in message for message in (wrong, due) for each in CUSTOMER.values())


async def late_run(api: str) -> str:
    """A run whose time has come and that no worker takes."""
    flow = await ask("POST", f"{api}/flows/", {"name": "invoice-sync"})
    due = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": due}}
    run = await ask("POST", f"{api}/flow_runs/", {"flow_id": flow["id"], "state": state})
    return str(run["id"])


async def name_of(api: str, run_id: str) -> str:
    return str((await ask("GET", f"{api}/flow_runs/{run_id}"))["name"])


def link_to(api: str, run_id: str) -> str:
    """Where a person finds a run."""
    return f"{api.removesuffix('/api')}/runs/flow-run/{run_id}"


async def overtaken(api: str) -> str:
    """A run that waits for a person, whose first word of that came before its sign of life."""
    run = await waiting_run(api)
    asking = asking_event(run, ASKED)
    living = Event("prefect.flow-run.heartbeat", f"prefect.flow-run.{run}", {})
    for event in (asking, living, asking):
        await emit(api, event)
        await asyncio.sleep(0.5)  # Prefect's automations look at two events at once
    return run


async def suspended_runs(api: str, home: Path) -> list[str]:
    """Many runs of cancellations that have asked; their processes have ended."""
    flow = await ask("POST", f"{api}/flows/", {"name": "cancellation-sync"})
    deployment = await ask("POST", f"{api}/deployments/", {"name": "all", "flow_id": flow["id"]})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SUSPENDED, deployment["id"], str(SUSPENSIONS)),
        env=environment_of_run(home, api) | {"PYTHONPATH": str(ROOT)},
        cwd=home,
        stdout=PIPE,
        stderr=PIPE,
    )
    out, err = await process.communicate()
    runs = out.decode().split()
    assert len(runs) == SUSPENSIONS, err.decode()[-2000:]
    return runs


async def waiting_run(api: str) -> str:
    """A run of cancellations that waits for a person; its process has ended."""
    flow = await ask("POST", f"{api}/flows/", {"name": "cancellation-sync"})
    state = {"type": "PAUSED", "name": "Suspended"}
    run = await ask("POST", f"{api}/flow_runs/", {"flow_id": flow["id"], "state": state})
    return str(run["id"])


@asynccontextmanager
async def endless_run(home: Path, api: str) -> AsyncIterator[tuple[Process, str]]:
    """The process of a run that doesn't end, and its number."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ENDLESS),
        env=environment_of_run(home, api),
        cwd=home,
        stdout=PIPE,
        stderr=DEVNULL,
    )
    try:
        assert process.stdout is not None
        yield process, str(UUID((await process.stdout.readline()).decode().strip()))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def environment_of_run(home: Path, api: str) -> dict[str, str]:
    ours = {**os.environ, **settings_for(home, api)}
    return ours | {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}


async def emit(api: str, event: Event) -> None:
    """Send an event about a run of cancellations, as the run does."""
    flow = {
        "prefect.resource.id": f"prefect.flow.{uuid4()}",
        "prefect.resource.role": "flow",
        "prefect.resource.name": "cancellation-sync",
    }
    sent = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": event.name,
        "resource": {"prefect.resource.id": event.resource},
        "related": [flow],
        "payload": {**event.payload},
    }
    await ask("POST", f"{api}/events", [sent])


async def sign_of_life(api: str, run_id: str) -> None:
    """Wait until the server has got one from this run."""
    for _ in range(int(LONGEST / PAUSE)):
        if await events_of(api, run_id, "prefect.flow-run.heartbeat"):
            return
        await asyncio.sleep(PAUSE)
    raise AssertionError("the run gave no sign of life")


async def events_of(api: str, run_id: str, name: str) -> list[Any]:
    """What the server has got from this run by this name."""
    about = {"event": {"name": [name]}, "resource": {"id": [f"prefect.flow-run.{run_id}"]}}
    found: list[Any] = (await ask("POST", f"{api}/events/filter", {"filter": about}))["events"]
    return found
