"""What automations.yaml promises, on a real server: a killed run is told from one that waits."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from flows.deploy import read_automations
from flows.deployed import SAID_AGAIN_AFTER
from flows.events import Event, asking_event
from flows.prefect_server import prefect_server, settings_for
from tests.flows.asking import ask

pytestmark = pytest.mark.long

# Longer than the time from one sign of life to the next, which Prefect takes for 30 s at least.
SILENCE = 45

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


@pytest.fixture
async def server(prefect_home: Path) -> AsyncIterator[str]:
    """The API of a server that has the automation about crashed runs, which waits less long."""
    [entry] = [each for each in read_automations() if each["name"] == "emag-crashed-runs"]
    async with prefect_server(prefect_home) as url:
        fields = {key: entry[key] for key in ("name", "description", "actions")}
        trigger = {**entry["trigger"], "within": SILENCE}
        await ask("POST", f"{url}/automations/", {**fields, "trigger": trigger})
        yield url


async def test_a_killed_run_becomes_crashed_and_one_that_asks_a_person_does_not(
    server: str, prefect_home: Path
) -> None:
    """One test, because each start of a Prefect server takes ten seconds."""
    asking = [await overtaken(server), *await suspended_runs(server, prefect_home)]
    async with endless_run(prefect_home, server) as (process, killed):
        await sign_of_life(server, killed)
        process.kill()

        state = await become_crashed(server, killed)

    assert state["message"].startswith("no sign of life for 90 s")
    waits = [(await ask("GET", f"{server}/flow_runs/{each}"))["state_name"] for each in asking]
    assert waits == ["Suspended"] * (1 + SUSPENSIONS)
    said = [len(await events_of(server, each, "emag.run.asks")) for each in asking]
    assert said == [2] + [1 + len(SAID_AGAIN_AFTER)] * SUSPENSIONS


async def overtaken(api: str) -> str:
    """A run that waits for a person, whose first word of that came before its sign of life."""
    run = await waiting_run(api)
    asking = asking_event(run, "7 cancellations are due")
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
    for _ in range(300):
        if await events_of(api, run_id, "prefect.flow-run.heartbeat"):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the run gave no sign of life")


async def events_of(api: str, run_id: str, name: str) -> list[Any]:
    """What the server has got from this run by this name."""
    about = {"event": {"name": [name]}, "resource": {"id": [f"prefect.flow-run.{run_id}"]}}
    found: list[Any] = (await ask("POST", f"{api}/events/filter", {"filter": about}))["events"]
    return found


async def become_crashed(api: str, run_id: str) -> dict[str, Any]:
    """Wait until a run has crashed; its state."""
    run: dict[str, Any] = {}
    for _ in range(1200):
        run = await ask("GET", f"{api}/flow_runs/{run_id}")
        if run["state_type"] == "CRASHED":
            state: dict[str, Any] = run["state"]
            return state
        await asyncio.sleep(0.1)
    raise AssertionError(f"it is {run['state_name']}")
