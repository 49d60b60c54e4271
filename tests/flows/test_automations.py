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
from flows.events import Event, asking_event
from flows.prefect_server import prefect_server, settings_for
from tests.flows.asking import ask

pytestmark = pytest.mark.long

# Long enough for a server that has just begun to hear of two events, one after the other.
SILENCE = 20

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
    asking = await waiting_run(server)
    await emit(server, Event("prefect.flow-run.heartbeat", f"prefect.flow-run.{asking}", {}))
    await sign_of_life(server, asking)  # Prefect takes events of the same moment in any order
    await emit(server, asking_event(asking, "7 cancellations are due"))
    async with endless_run(prefect_home, server) as (process, killed):
        await sign_of_life(server, killed)
        process.kill()

        state = await become_crashed(server, killed)

    assert state["message"].startswith("no sign of life for 90 s")
    waits = await ask("GET", f"{server}/flow_runs/{asking}")
    assert waits["state_name"] == "Suspended"


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
        env={**os.environ, **settings_for(home, api), "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"},
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
    wanted = {
        "filter": {
            "event": {"name": ["prefect.flow-run.heartbeat"]},
            "resource": {"id": [f"prefect.flow-run.{run_id}"]},
        }
    }
    for _ in range(300):
        if (await ask("POST", f"{api}/events/filter", wanted))["events"]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the run gave no sign of life")


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
