"""Runs over a scene: workers as processes, and the marketplace's own record of what they asked."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import IO, Any

import httpx
import psycopg

from integrations.erp.rows import Kind
from integrations.erp.tables import ERP_TABLES
from tests.benchmarks.place import Place
from tests.benchmarks.scene import LINES, Scene


class RunFailedError(Exception):
    """A run did not do what it was measured for, so that its figures would mean nothing."""


@dataclass(frozen=True)
class Run:
    """What the workers say of themselves, and what the marketplace saw of them."""

    workers: Sequence[Mapping[str, Any]]
    requests: Sequence[Mapping[str, Any]]
    violations: Sequence[Mapping[str, Any]]
    unsent: int

    @property
    def rows(self) -> int:
        """How many rows were synced."""
        return sum(worker["report"]["rows"]["synced"] for worker in self.workers)

    @property
    def seconds(self) -> float:
        """What the slowest worker took."""
        return float(max(worker["seconds"] for worker in self.workers))

    @property
    def cpu_per_row(self) -> float:
        """Milliseconds of the workers' own CPU for each row."""
        seconds = sum(float(worker["cpu_seconds"]) for worker in self.workers)
        return 1000 * seconds / self.rows

    @property
    def span(self) -> float:
        """Seconds from the first arrival at the marketplace to the last."""
        return float(self.requests[-1]["monotonic"] - self.requests[0]["monotonic"])

    @property
    def faults(self) -> Sequence[str]:
        """What must not happen in any run: 429s, and asking what eMAG forbids."""
        throttled = sum(request["throttled"] for request in self.requests)
        found = {"429": throttled, "violations": len(self.violations)}
        return [f"{count} {what}" for what, count in found.items() if count]

    @property
    def details(self) -> Mapping[str, Any]:
        """The run in numbers, for the JSON."""
        return {
            "workers": len(self.workers),
            "rows": self.rows,
            "seconds": self.seconds,
            "requests": dict(Counter(request["route"] for request in self.requests)),
            "span": self.span,
            "unsent": self.unsent,
            "cpu_ms_per_row": self.cpu_per_row,
            "peak_mb": max(worker["peak_mb"] for worker in self.workers),
        }


@cache
def play(place: Place, scene: Scene, *, workers: int = 1, each: int = 100_000) -> Run:
    """Let workers that may claim `each` rows work on a scene; what was played once is remembered.

    Raises:
        RunFailedError: rows that should have been synced were not.
    """
    database = place.database()
    fill_erp(database, scene)
    with marketplace(place, scene) as emag:
        worked = _work(place, place.environment(database, emag), scene, workers, each)
        asked = journal(emag, "requests"), journal(emag, "violations")
    run = Run(worked, *asked, unsent=_unsent(database))
    if run.rows < _fewest(min(scene.rows, workers * each), workers):
        raise RunFailedError(f"only {run.rows} rows were synced: {[w['report'] for w in worked]}")
    return run


def _fewest(rows: int, workers: int) -> float:
    """How many rows must be synced; what one run queues while another begins may be left over."""
    return rows if workers == 1 else 0.9 * rows


def fill_erp(database_url: str, scene: Scene) -> None:
    """The scene's rows in the ERP with their items, in no order of eMAG's, known ones first."""
    table = ERP_TABLES[Kind(scene.kind)]
    orders = list(scene.orders)
    known = orders[: scene.known]
    random.Random(1).shuffle(known)  # noqa: S311 - an order, not a secret
    with psycopg.connect(database_url) as connection:
        connection.execute(
            f"INSERT INTO app.{table.name} (emag_order_id, status, reason)"
            " SELECT number::text, %s, 'other' FROM unnest(%s::bigint[]) AS number",
            [scene.wish, known + orders[len(known) :]],
        )
        for product_id, sku, quantity in LINES:
            connection.execute(
                f"INSERT INTO app.{table.items} ({table.parent}, product_id, sku, quantity)"
                f" SELECT id, %s, %s, %s FROM app.{table.name}",
                [product_id, sku, quantity],
            )


@contextmanager
def marketplace(place: Place, scene: Scene, *, limits: bool = True) -> Iterator[str]:
    """The base address of an eMAG as the scene has it, for as long as the block runs."""
    environment = place.environment(place.server)
    arguments = (scene.to_json(), json.dumps(limits))
    with place.process("marketplace", *arguments, environment=environment) as process:
        yield line_of(process.stdout)


def _work(
    place: Place, environment: Mapping[str, str], scene: Scene, workers: int, each: int
) -> Sequence[Mapping[str, Any]]:
    """Let all workers begin at once, after their imports."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                place.process("worker", scene.kind, str(each), environment=environment)
            )
            for _ in range(workers)
        ]
        for worker in started:
            line_of(worker.stdout)
        for worker in started:
            begin_worker(worker)
        return [json.loads(line_of(worker.stdout)) for worker in started]


def begin_worker(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    worker.stdin.write("\n")
    worker.stdin.flush()


def line_of(output: IO[str] | None) -> str:
    assert output is not None
    line = output.readline().strip()
    if not line:
        raise RunFailedError("a process ended before its time; what it said is above")
    return line


def _unsent(database_url: str) -> int:
    """How many requests were entered and never left, because no slot was to be had in time."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM app.emag_api_calls WHERE verdict = 'unsent'"
        ).fetchone()
    assert found
    return int(found[0])


def journal(emag_url: str, part: str) -> Sequence[Mapping[str, Any]]:
    address = emag_url.removesuffix("/api-3") + f"/sandbox/journal/{part}"
    found: list[dict[str, Any]] = httpx.get(address, timeout=60, trust_env=False).json()
    return found
