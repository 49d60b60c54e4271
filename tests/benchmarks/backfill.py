"""What a backfill makes of the request limits, of memory, and of an outbound change's patience."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Place
from tests.benchmarks.processes import tree
from tests.benchmarks.run import begin_worker, fill_erp, journal, line_of, marketplace
from tests.benchmarks.scene import Scene

RETURNS, ORDERS = 10_000, 50_000

# What a history holds is laid out by its number of rows; see `marketplace.lay_out_past`.
PAST = Scene("rma", rows=0, wish="", status=0, past=(RETURNS, ORDERS))
WITH_A_CHANGE = Scene("cancellation", rows=1, wish="pending", status=2, past=(RETURNS, ORDERS))
A_CHANGE = Scene("cancellation", rows=1, wish="pending", status=2)

LIMITS = {"orders": 12, "other": 3}
SETTLED = 8.0

# Of what must not happen, so many are shown; and how often memory is looked at, in seconds.
SHOWN, OFTEN = 10, 1.0


def backfilling(place: Place) -> Sequence[Figure]:
    """Shares of both limits, megabytes, and seconds."""
    database = place.database()
    with marketplace(place, PAST) as emag:
        worked = _backfill(place, place.environment(database, emag))
        requests, violations = journal(emag, "requests"), journal(emag, "violations")
    stored = worked["history"]
    # Slices overlap: what was placed around midnight comes with both.
    if stored.get("orders:3", 0) < ORDERS or stored.get("returns:3", 0) < RETURNS:
        raise RuntimeError(f"the history was not stored: {worked}")
    faults = _faults(violations)
    details = {
        **{key: worked[key] for key in ("seconds", "cpu_seconds", "peaks_mb", "report")},
        "violations": violations[:SHOWN],
    }
    shares = [
        Figure(
            f"backfill: share of the limit used, {bucket} {limit}/s",
            measured=_share(_of(requests, bucket), limit),
            limit=0.95,
            at_least=True,
            faults=faults,
            details=details,
        )
        for bucket, limit in LIMITS.items()
    ]
    peak = Figure(
        f"backfill: peak memory, {RETURNS:,} returns and {ORDERS:,} orders",
        measured=sum(worked["peaks_mb"]),
        limit=300,
        unit="MB",
        faults=faults,
        details=details,
    )
    return [*shares, peak, _wait(place)]


def _faults(violations: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """What eMAG forbids and was asked for all the same, by kind."""
    kinds = Counter(f"{each['rule']} at {each['route']}" for each in violations)
    return [f"{count} violations: {kind}" for kind, count in kinds.items()]


def _of(requests: Sequence[Mapping[str, Any]], bucket: str) -> list[Mapping[str, Any]]:
    return [each for each in requests if each["route"].startswith("order/") == (bucket == "orders")]


def _share(requests: Sequence[Mapping[str, Any]], limit: int) -> float:
    """Of what the limit allows from the first request to the last."""
    span = float(requests[-1]["monotonic"] - requests[0]["monotonic"])
    return (len(requests) - 1) / (limit * span)


def _backfill(place: Place, environment: Mapping[str, str]) -> Mapping[str, Any]:
    with place.process("past_worker", *_days(), environment=environment) as worker:
        line_of(worker.stdout)
        with _peaks(worker.pid) as peaks:
            begin_worker(worker)
            found: Mapping[str, Any] = json.loads(line_of(worker.stdout))
        return {**found, "peaks_mb": list(peaks.values())}


@contextmanager
def _peaks(root: int) -> Iterator[Mapping[int, float]]:
    """The largest resident memory of a process, and of those below it, in MB; by process."""
    peaks: dict[int, float] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(OFTEN):
            for pid in tree(root):
                with suppress(OSError):
                    status = Path(f"/proc/{pid}/status").read_text()
                    if found := re.search(r"VmHWM:\s+(\d+) kB", status):
                        peaks[pid] = int(found[1]) * 1024 / 1e6

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peaks
    finally:
        over.set()
        watching.join()


def _days() -> tuple[str, str]:
    today = datetime.now(UTC).date()
    return str(today - timedelta(days=100)), str(today - timedelta(days=2))


def _wait(place: Place) -> Figure:
    alone, beside = _first_request(place, busy=False), _first_request(place, busy=True)
    return Figure(
        "backfill: a change's wait for its first request, minus without one",
        measured=max(0.0, beside - alone),
        limit=1.0,
        unit="s",
        details={"alone": alone, "beside": beside},
    )


def _first_request(place: Place, *, busy: bool) -> float:
    """Seconds from the beginning of a change's run to its first arrival at the marketplace.

    Arrivals are the marketplace's, which shares this machine's monotonic clock.
    """
    database = place.database()
    with marketplace(place, WITH_A_CHANGE if busy else A_CHANGE) as emag:
        environment = place.environment(database, emag)
        with place.process("past_worker", *_days(), environment=environment) as history:
            line_of(history.stdout)
            if busy:
                begin_worker(history)
                time.sleep(SETTLED)
            fill_erp(database, WITH_A_CHANGE)
            with place.process("worker", "cancellation", "1", environment=environment) as worker:
                line_of(worker.stdout)
                began = time.monotonic()
                begin_worker(worker)
                line_of(worker.stdout)
        order = next(iter(A_CHANGE.orders))
        asked = [
            each["monotonic"]
            for each in journal(emag, "requests")
            if each["monotonic"] >= began and each["order_ids"] == [order]
        ]
    return float(asked[0]) - began
