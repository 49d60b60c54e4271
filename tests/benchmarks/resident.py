"""How soon the resident loop carries what the ERP commits, and what it costs when nothing happens.

As a program it is a resident loop that ends with its standard input and prints what it cost.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg

from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Place
from tests.benchmarks.run import RunFailedError, journal, marketplace
from tests.benchmarks.scene import Scene

# The ERP decides about one order every so many seconds, at odd moments.
CHANGES, EVERY = 60, 0.7
QUIET = 2.0
SETTLES, IDLE = 5.0, 30.0
PATIENCE = 60.0

SCENE = Scene("cancellation", rows=CHANGES, wish="pending", status=2, others=0)

_ADD = "INSERT INTO app.cancellation_requests (emag_order_id, status) VALUES (%s, 'pending')"
_DONE = """
    SELECT count(*) FROM app.emag_cancellation_integrations
     WHERE sync_state = 'synced' AND emag_order_id = ANY(%s)
"""


def resident(place: Place) -> Sequence[Figure]:
    """The 95th percentile beyond the quiet time, and the idle loop's share of a core."""
    database = place.database()
    with marketplace(place, SCENE) as emag:
        environment = {
            **place.environment(database, emag),
            "EMAG_QUIET_SECONDS": str(QUIET),
            "EMAG_RATE_LIMIT_ORDERS": "12",
        }
        with place.process("resident", environment=environment) as loop:
            _await_ready(loop)
            late = delays(database, emag, list(SCENE.orders), QUIET)
        with place.process("resident", str(IDLE), environment=environment) as loop:
            _await_ready(loop)
            assert loop.stdout is not None
            idle: Mapping[str, Any] = json.loads(loop.stdout.readline())
    return [
        Figure(
            "resident: from the ERP's commit to the first request, beyond the quiet time, p95",
            measured=p95(late),
            limit=2.0,
            unit="s",
            details=spread(late),
        ),
        Figure(
            "resident: an idle loop's share of one core",
            measured=100 * idle["cpu_seconds"] / idle["seconds"],
            limit=3.0,
            unit="%",
            details=idle,
        ),
    ]


def _await_ready(loop: subprocess.Popen[str]) -> None:
    assert loop.stdout is not None
    if loop.stdout.readline().strip() != "ready":
        raise RunFailedError("the resident loop did not start")


def delays(database: str, emag: str, orders: Sequence[int], quiet: float) -> list[float]:
    """How long after the ERP's commit the first request about each order reached eMAG, sorted.

    In seconds beyond the quiet time, from the clock of this host to the arrival in eMAG's journal.
    """
    committed = _decide(database, orders)
    _await_carried(database, orders)
    arrived: dict[int, float] = {}
    for request in journal(emag, "requests"):
        for order_id in request["order_ids"]:
            arrived.setdefault(order_id, datetime.fromisoformat(request["at"]).timestamp())
    return sorted(arrived[order_id] - at - quiet for order_id, at in committed.items())


def p95(sorted_values: Sequence[float]) -> float:
    return sorted_values[math.ceil(0.95 * len(sorted_values)) - 1]


def spread(sorted_values: Sequence[float]) -> Mapping[str, float]:
    middle = sorted_values[len(sorted_values) // 2]
    return {"median": middle, "most": sorted_values[-1], "changes": len(sorted_values)}


def _decide(database: str, orders: Sequence[int]) -> Mapping[int, float]:
    """When the ERP committed its decision about each order, in seconds since the epoch."""
    committed = {}
    with psycopg.connect(database, autocommit=True) as connection:
        for order_id in orders:
            connection.execute(_ADD.encode(), [str(order_id)])
            committed[order_id] = time.time()
            time.sleep(EVERY)
    return committed


def _await_carried(database: str, orders: Sequence[int]) -> None:
    latest = time.monotonic() + PATIENCE
    wanted = [str(order_id) for order_id in orders]
    with psycopg.connect(database, autocommit=True) as connection:
        while connection.execute(_DONE.encode(), [wanted]).fetchone() != (len(orders),):
            if time.monotonic() > latest:
                raise RunFailedError("not everything was carried")
            time.sleep(0.2)


async def _reside(idle: float) -> None:
    """A loop until standard input ends, or for so long, of which the first seconds don't count."""
    from flows.resident import Vitals, reside

    stopping = asyncio.Event()
    task = asyncio.create_task(reside(Vitals(), stopping=stopping))
    print("ready", flush=True)  # noqa: T201
    if idle:
        await asyncio.sleep(SETTLES)
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(idle)
        spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
        print(json.dumps(spent), flush=True)  # noqa: T201
    else:
        await asyncio.to_thread(sys.stdin.read)
    stopping.set()
    await task


if __name__ == "__main__":
    os.environ.setdefault("EMAG_LOG_FILE", os.devnull)
    asyncio.run(_reside(float(sys.argv[1]) if sys.argv[1:] else 0.0))
