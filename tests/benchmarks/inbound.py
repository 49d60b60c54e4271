"""What it costs to bring eMAG's news of returns in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Place
from tests.benchmarks.run import journal, line_of, marketplace
from tests.benchmarks.scene import FIRST_RETURN, Scene

OPEN, CLOSED = 2_000, 100_000
CHANGES = 100
PER_SECOND = 3

SHORT = Scene("rma", rows=OPEN, wish="", status=6)
LONG = Scene("rma", rows=OPEN, wish="", status=6, past=(CLOSED, CLOSED))


def inbound(place: Place) -> Sequence[Figure]:
    """Requests of a run with changes, and of one without, with a short history and a long one."""
    idle, _, _ = _requests(place, SHORT)
    idle_long, busy, span = _requests(place, LONG)
    return [
        Figure(
            "inbound: share of the limit used, other 3/s, while nothing happens",
            measured=(idle_long - 1) / (PER_SECOND * span),
            limit=0.95,
            at_least=True,
            details={"requests": idle_long, "span": span},
        ),
        Figure(
            f"inbound: requests beyond the open pages, per change, {CHANGES} changes",
            measured=(busy - idle_long) / CHANGES,
            limit=1.2,
            details={"idle": idle_long, "busy": busy},
        ),
        Figure(
            f"inbound: requests of an idle run, {CLOSED:,} closed returns to none",
            measured=idle_long / idle,
            limit=1.0,
            unit="times",
            details={"idle": idle, "idle_long": idle_long},
        ),
    ]


def _requests(place: Place, scene: Scene) -> tuple[int, int, float]:
    """Requests of a run in which nothing happened, of one after the changes, and the first's span.

    The span is from the first arrival to the last, in seconds.
    """
    with marketplace(place, scene) as emag:
        environment = place.environment(place.database(), emag)
        first = _run(place, environment)
        if first["received"]["created"] != OPEN:
            raise RuntimeError(f"not all open returns came in: {first}")
        before = len(journal(emag, "requests"))
        idle = _run(place, environment)
        arrived = [request["monotonic"] for request in journal(emag, "requests")[before:]]
        _change(emag)
        busy = _run(place, environment)
        if busy["received"]["updated"] != CHANGES:
            raise RuntimeError(f"not all changes came in: {busy}")
        if violations := journal(emag, "violations"):
            raise RuntimeError(f"{len(violations)} violations, such as {violations[0]}")
    span = arrived[-1] - arrived[0]
    return sum(idle["requests"].values()), sum(busy["requests"].values()), span


def _run(place: Place, environment: Mapping[str, str]) -> Mapping[str, Any]:
    with place.process("news_worker", environment=environment) as worker:
        found: Mapping[str, Any] = json.loads(line_of(worker.stdout))
        return found


def _change(emag_url: str) -> None:
    """Somebody closes returns in eMAG's panel."""
    address = emag_url.removesuffix("/api-3") + "/sandbox/actions"
    for number in range(CHANGES):
        action = {"action": "panel_moves_return", "emag_id": FIRST_RETURN + number, "status": 7}
        httpx.post(address, json=action, timeout=60, trust_env=False).raise_for_status()
