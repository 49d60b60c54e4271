"""All of `emag-flows up`: how soon it carries what the ERP decides, and what it costs when idle."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg

from flows.prefect_server import (
    await_ready,
    descendants,
    environment,
    free_port,
    settings_for,
    start_server,
    start_worker,
    stop,
    stop_worker,
)
from integrations.embedded import postmaster
from tests.benchmarks.figures import Figure
from tests.benchmarks.place import ROOT, Place
from tests.benchmarks.processes import cpu_of, tree
from tests.benchmarks.resident import delays, p95, spread
from tests.benchmarks.run import RunFailedError, marketplace
from tests.benchmarks.scene import Scene

# The first is carried while all is starting, the others once it stands. One is cancelled at eMAG.
SCENE = Scene("cancellation", rows=31, wish="pending", status=2, others=1)
NEWS = SCENE.crowd[-1]
QUIET = 5.0  # as set by default
POOL, CANCELLATIONS = "emag", "cancellation-sync/scheduled"
OURS = UP, POSTGRES, SERVER, WORKER = "up itself", "PostgreSQL", "Prefect server", "Prefect worker"

# After everything has answered, caches fill and what was begun at the start comes to its end.
SETTLES, IDLE = 20.0, 60.0

# Minutes at which prefect.yaml starts something; reconciliation and retention have one each a day.
SCHEDULED = {*range(2, 60, 5), 4, 19, 34, 49, 11, 26, 41, 56, 8, 38, 43, 53}
RUNS_AN_HOUR = 12 + 4 + 4 + 2

PATIENCE = 180.0

# A worker fetches runs so long before they are due, as it does those of a schedule.
AHEAD = timedelta(seconds=15)

_ADD = "INSERT INTO app.cancellation_requests (emag_order_id, status) VALUES (%s, 'pending')"
_TOLD = "SELECT count(*) FROM app.cancellation_requests WHERE emag_order_id = %s"
_SYNCED = "SELECT count(*) FROM app.emag_cancellation_integrations WHERE sync_state = 'synced'"


Parts = Callable[[], Mapping[str, list[int]]]


@dataclass(frozen=True)
class Alone:
    """A Prefect without us: the address of its API, and the processes of each part."""

    api: str
    parts: Mapping[str, list[int]]


@dataclass
class Up:
    """A running `emag-flows up`.

    Attributes:
        process, data: it, and the folder of its data.
        began: when it was started, by `time.perf_counter`.
        carried: seconds until the first row was.
        database: the URL of its PostgreSQL.
    """

    process: Process
    data: Path
    began: float
    carried: float = 0.0
    database: str = ""

    @property
    def parts(self) -> Mapping[str, list[int]]:
        """The processes of each part."""
        database = postmaster.running(self.data)
        assert database is not None
        return {
            UP: [self.process.pid],
            POSTGRES: tree(database.pid),
            SERVER: self._prefects("server"),
            WORKER: self._prefects("worker"),
        }

    def _prefects(self, what: str) -> list[int]:
        """One of Prefect's parts; it was started as `python -m flows.prefect_server WHAT`."""
        sought = f"flows.prefect_server\0{what}\0".encode()
        [found] = [
            pid
            for pid in descendants(self.process.pid)
            if sought in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        return tree(found)

    async def says(self, pattern: str) -> re.Match[str]:
        """Wait for a line."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while line := (await self.process.stdout.readline()).decode():
                if found := re.search(pattern, line):
                    return found
        raise RunFailedError(f"`emag-flows up` ended without saying {pattern!r}")


def whole(place: Place) -> list[Figure]:
    """Seconds from nothing to the first row carried, and the idle share beyond Prefect's own."""
    with marketplace(place, SCENE) as emag:
        settings = {**place.environment(place.server, emag)}
        del settings["DATABASE_URL"], settings["EMAG_QUIET_SECONDS"]  # as set by default
        return asyncio.run(_measure(place.folder, settings, emag))


async def _measure(folder: Path, settings: Mapping[str, str], emag: str) -> list[Figure]:
    async with _up(folder / "up", settings) as up, _prefect_alone(folder / "alone") as alone:
        prefect = (await up.says(r"Prefect (http\S+) · endpoints http"))[1]
        everything = time.perf_counter() - up.began
        late = await asyncio.to_thread(delays, up.database, emag, list(SCENE.orders)[1:], QUIET)
        news = await _news(f"{prefect}/api", up.database, emag)
        idle = await _idle({**up.parts, **alone.parts})
        ours = await _cost_of_a_run(f"{prefect}/api", CANCELLATIONS, lambda: up.parts)
        empty = await _cost_of_a_run(alone.api, "empty/alone", lambda: alone.parts)
    share = sum(idle[part] for part in OURS) - sum(idle[part] for part in alone.parts)
    return [
        Figure(
            "up: from nothing to the first row carried, its quiet time included",
            measured=up.carried,
            limit=30.0,
            unit="s",
            details={"seconds_until_prefect_and_endpoints_answer": everything},
        ),
        Figure(
            "up: from the ERP's commit to the first request, beyond the quiet time, p95",
            measured=p95(late),
            limit=2.0,
            unit="s",
            details=spread(late),
        ),
        Figure(
            "up: from a scheduled run's instant to eMAG's news in the ERP",
            measured=news,
            limit=10.0,
            unit="s",
        ),
        Figure(
            "up: share of one core between scheduled runs, beyond a Prefect without us",
            measured=share,
            limit=3.0,
            unit="%",
            details={"percent_of_a_core": idle, "seconds": IDLE},
        ),
        Figure(
            "up: the same with the scheduled runs of an hour, beyond as many of an empty flow",
            measured=share + 100 * RUNS_AN_HOUR * (ours - empty) / 3600,
            limit=3.0,
            unit="%",
            details={
                "runs_an_hour": RUNS_AN_HOUR,
                "cpu_seconds_of_a_run": ours,
                "cpu_seconds_of_a_run_of_an_empty_flow": empty,
            },
        ),
    ]


@asynccontextmanager
async def _up(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[Up]:
    """`emag-flows up` in an empty folder, when the first row is carried."""
    await asyncio.to_thread(folder.mkdir)
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", "up"), cwd=folder, env=settings, stdout=PIPE
    )
    try:
        up = Up(process, folder / ".emag", began)
        up.database = (await up.says(r"PostgreSQL, embedded: (\S+)"))[1]
        await up.says("resident loops")
        await asyncio.to_thread(_carry_one, up.database)
        up.carried = time.perf_counter() - began
        yield up
    finally:
        await stop(process, PATIENCE)


def _carry_one(database: str) -> None:
    """The ERP decides about an order; wait until eMAG knows."""
    latest = time.monotonic() + PATIENCE
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_ADD.encode(), [str(next(SCENE.orders))])
        while connection.execute(_SYNCED.encode()).fetchone() != (1,):
            if time.monotonic() > latest:
                raise RunFailedError("the row was not carried")
            time.sleep(0.05)


@asynccontextmanager
async def _prefect_alone(home: Path) -> AsyncIterator[Alone]:
    """A Prefect server and a worker with the same settings, and an empty flow for all there is."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    server = await start_server(home, port)
    try:
        await await_ready(server, url, home / "server.log")
        await _deploy_empty(settings_for(home, url))
        worker = await start_worker(home, settings_for(home, url), POOL)
        try:
            yield Alone(
                url,
                {
                    "alone: Prefect server": tree(server.pid),
                    "alone: Prefect worker": tree(worker.pid),
                },
            )
        finally:
            await stop_worker(worker)
    finally:
        await stop(server)


async def _deploy_empty(variables: Mapping[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.empty_flow", POOL),
        env=environment(variables),
        cwd=ROOT,
        stdout=DEVNULL,
    )
    if await process.wait():
        raise RunFailedError("the empty flow could not be deployed")


async def _news(api: str, database: str, emag: str) -> float:
    """Seconds from the instant of a deployment's run until the ERP has what happened at eMAG."""
    action = {"action": "panel_cancels", "order_id": NEWS}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        told = await client.post(f"{emag.removesuffix('/api-3')}/sandbox/actions", json=action)
        told.raise_for_status()
    due = datetime.now(UTC) + AHEAD
    run = asyncio.create_task(_run(api, CANCELLATIONS, due))
    arrived = await asyncio.to_thread(_await_row, database)
    await run
    return (arrived - due).total_seconds()


def _await_row(database: str) -> datetime:
    latest = time.monotonic() + PATIENCE
    with psycopg.connect(database, autocommit=True) as connection:
        while connection.execute(_TOLD.encode(), [str(NEWS)]).fetchone() != (1,):
            if time.monotonic() > latest:
                raise RunFailedError("the cancellation did not come in")
            time.sleep(0.05)
    return datetime.now(UTC)


async def _idle(parts: Mapping[str, list[int]]) -> dict[str, float]:
    """Each part's percentage of one core in a minute in which no run is scheduled."""
    await asyncio.sleep(SETTLES)
    await asyncio.sleep(_until_quiet(datetime.now(UTC)))
    began = time.perf_counter()
    before = {part: cpu_of(pids) for part, pids in parts.items()}
    await asyncio.sleep(IDLE)
    seconds = time.perf_counter() - began
    return {part: 100 * (cpu_of(pids) - before[part]) / seconds for part, pids in parts.items()}


def _until_quiet(now: datetime) -> float:
    """Seconds until a minute begins in which nothing is started, nor in the one after it."""
    minutes = range(now.minute + 1, now.minute + 61)
    quiet = next(each for each in minutes if not {each % 60, (each + 1) % 60} & SCHEDULED)
    return 60 * (quiet - now.minute) - now.second


async def _cost_of_a_run(api: str, name: str, parts: Parts) -> float:
    """CPU seconds that everything takes for one run of a deployment with nothing to do."""
    before = _spent(parts)
    began = time.perf_counter()
    await _run(api, name)
    await _until_ended(parts)
    idle_before = time.perf_counter() - began
    after = _spent(parts)
    await asyncio.sleep(idle_before)
    return (after - before) - (_spent(parts) - after)


async def _until_ended(parts: Parts) -> None:
    """Wait for the end of the run's process: only then does its CPU count as the worker's."""
    [worker] = [pids[0] for part, pids in parts().items() if part.endswith(WORKER)]
    for _ in range(int(PATIENCE / 0.1)):
        if not descendants(worker):
            return
        await asyncio.sleep(0.1)
    raise RunFailedError("the process of a run did not end")


def _spent(parts: Parts) -> float:
    return sum(cpu_of(pids) for pids in parts().values())


async def _run(api: str, name: str, due: datetime | None = None) -> None:
    """A run of a deployment, from its order to its end; due at once if nothing is said."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        found = await client.get(f"{api}/deployments/name/{name}")
        deployment = found.raise_for_status().json()["id"]
        made = await client.post(f"{api}/deployments/{deployment}/create_flow_run", json=_due(due))
        run = made.raise_for_status().json()["id"]
        for _ in range(int(PATIENCE)):
            if (await client.get(f"{api}/flow_runs/{run}")).json()["state_type"] == "COMPLETED":
                return
            await asyncio.sleep(1)
    raise RunFailedError(f"a run of {name} did not complete")


def _due(at: datetime | None) -> Mapping[str, Any]:
    if at is None:
        return {}
    details = {"scheduled_time": at.isoformat()}
    return {"state": {"type": "SCHEDULED", "state_details": details}}
