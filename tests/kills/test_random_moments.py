"""Workers die at any moment, three at once, and PostgreSQL is restarted between."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from integrations.erp.rows import Kind
from migrations.run import upgrade
from tests.kills.conftest import OpenYard, Yard, ended
from tests.kills.scenarios import FIRST_ORDER, SCENARIOS, Scenario
from tests.kills.server import Server, serving_postgres

SECONDS = float(os.environ.get("KILLS_SECONDS", "40"))
SEED = int(os.environ.get("KILLS_SEED", str(time.time_ns() % 1_000_000)))

WORKERS = 3
ROWS_A_ROUND = 6
RESTART_EVERY = 5
LIFE_SECONDS = (0.05, 1.5)
RESTARTS = (signal.SIGINT, signal.SIGQUIT)

KINDS = tuple(Kind)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A migrated PostgreSQL of this test's own."""
    with serving_postgres(tmp_path / "pg") as server:
        upgrade(server.url)
        yield server


@pytest.mark.long
async def test_nothing_is_lost_and_nothing_happens_twice(
    server: Server, open_yard: OpenYard
) -> None:
    chance = random.Random(SEED)  # noqa: S311 - to be repeatable
    yard = await open_yard(server.url, ["main"])
    rows: list[tuple[Scenario, int, Sequence[int]]] = []
    deaths: Counter[str] = Counter()
    rounds = 0
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        rounds += 1
        rows += [await _new_rows(yard, chance, len(rows) + each) for each in range(ROWS_A_ROUND)]
        deaths += await _hard_times(yard, chance, None if rounds % RESTART_EVERY else server)
    await yard.finish(KINDS)
    again = f"KILLS_SEED={SEED}, {rounds} rounds"
    ends = [await yard.states(scenario.kind, row) for scenario, _, row in rows]
    assert ends == [{"synced"}] * len(rows), again
    strange = [
        (scenario.name, scenario.done(yard.shop, order_id))
        for scenario, order_id, _ in rows
        if not scenario.fits(yard.shop, order_id)
    ]
    assert strange == [], again
    assert await yard.wrong() == [], again
    assert deaths["worker"] >= rounds, f"{again}: {deaths}"
    assert deaths["server"] == rounds // RESTART_EVERY, f"{again}: {deaths}"


async def _new_rows(
    yard: Yard, chance: random.Random, number: int
) -> tuple[Scenario, int, Sequence[int]]:
    scenario, order_id = chance.choice(SCENARIOS), FIRST_ORDER + number
    return scenario, order_id, await scenario.add(yard.shop, order_id, "main")


async def _hard_times(yard: Yard, chance: random.Random, server: Server | None) -> Counter[str]:
    """Let workers live for a moment each; with a server, it is restarted meanwhile. Who died."""
    lives = [
        _short_life(yard, chance.choice(KINDS), chance.uniform(*LIFE_SECONDS))
        for _ in range(WORKERS)
    ]
    how, when = chance.choice(RESTARTS), chance.uniform(*LIFE_SECONDS) / 2
    died = await asyncio.gather(*lives, *([_restart(server, how, when)] if server else []))
    return Counter(filter(None, died))


async def _short_life(yard: Yard, kind: Kind, seconds: float) -> str | None:
    """Kill a worker that has not ended by itself by then; who died."""
    worker = yard.send(yard.errand(kind))
    ending = asyncio.create_task(ended(worker))
    await asyncio.wait({ending}, timeout=seconds)
    worker.kill()
    return "worker" if await ending == -signal.SIGKILL else None


async def _restart(server: Server, how: signal.Signals, when: float) -> str | None:
    """Restart the server; who died, which is nobody where the same process still serves."""
    await asyncio.sleep(when)
    before = server.pid
    await asyncio.to_thread(server.restart, how)
    return "server" if server.pid != before else None
