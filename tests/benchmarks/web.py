"""How soon the HTTP endpoints answer, with a record of a million calls behind them."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from tests.benchmarks.call_record import MANY, filled
from tests.benchmarks.figures import Figure
from tests.benchmarks.place import PASSWORD, USERNAME, Place
from tests.benchmarks.processes import cpu_of
from tests.benchmarks.run import RunFailedError, line_of

PATH = "/api/v1/emag/integration/status"
RATE, SECONDS = 200, 30.0
PATIENCE = 30.0
LOGIN = {"username": USERNAME, "password": PASSWORD}


def answering(place: Place) -> list[Figure]:
    """The 95th percentile of the status at 200 requests a second, from when each was due."""
    environment = {
        **place.environment(filled(place, MANY)),
        # Of fbe, eMAG has answered nothing: its last success is sought among the others' calls.
        "EMAG_ACCOUNTS": json.dumps([{"name": name, **LOGIN} for name in ("main", "fbe")]),
    }
    del environment["EMAG_USERNAME"], environment["EMAG_PASSWORD"]  # each account has its own
    with _api(place, environment) as (port, api):
        began = cpu_of([api])
        arguments = (str(port), PATH, str(RATE), str(SECONDS))
        with place.process("caller", *arguments, environment=environment) as caller:
            told = json.loads(line_of(caller.stdout))
        spent = cpu_of([api]) - began
    answers = sorted(told["answers"])
    return [
        Figure(
            f"http: GET /integration/status at {RATE} a second, p95 from when it was due",
            measured=1000 * _percentile(answers, 0.95),
            limit=20.0,
            unit="ms",
            faults=[] if len(answers) == RATE * SECONDS else [f"{len(answers)} answers"],
            details={
                "median_ms": 1000 * _percentile(answers, 0.5),
                "p99_ms": 1000 * _percentile(answers, 0.99),
                "most_ms": 1000 * answers[-1],
                "answers": len(answers),
                "connections": told["connections"],
                "cores_of_the_server": spent / SECONDS,
                "cores_of_the_caller": told["cpu_seconds"] / SECONDS,
            },
        )
    ]


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[math.ceil(share * len(ordered)) - 1]


@contextmanager
def _api(place: Place, environment: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """`emag-flows api` for as long as the block runs: its port and its process."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli.main", "api", "--port", str(port)],
        cwd=place.folder,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    with process:
        try:
            _await_answer(f"http://127.0.0.1:{port}{PATH}")
            yield port, process.pid
        finally:
            process.terminate()


def _await_answer(url: str) -> None:
    latest = time.monotonic() + PATIENCE
    while time.monotonic() < latest:
        try:
            httpx.get(url, timeout=PATIENCE, trust_env=False).raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RunFailedError("`emag-flows api` did not start")
