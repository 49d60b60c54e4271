"""A process of its own: one run as `emag-flows run` makes it, which reports what it cost.

    python -m tests.benchmarks.worker KIND LIMIT [PROFILE]

Prints "ready" once everything is imported, begins at a line on its standard input, and prints one
JSON object. With PROFILE the run is profiled into that file, which makes it slower.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import re
import resource
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from flows.cancellation import sync_cancellations
from flows.cli.console import begin
from flows.garbage import look_seldom
from flows.parameters import CancellationParameters, Direction
from flows.report import Report
from flows.rma import sync_returns

# What a run imports on its way: the same for one row as for thousands.
IMPORTED_LATE = ("httpcore", "anyio._backends._asyncio")

SYNCS = {"cancellation": sync_cancellations, "rma": sync_returns}


def main() -> None:
    """Wait for the word, run, report."""
    kind, limit, *profile = sys.argv[1:]
    look_seldom()  # as the program does
    begin()
    for late in IMPORTED_LATE:
        import_module(late)
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    worked = _profiled(profile[0], kind, int(limit)) if profile else work(kind, int(limit))
    print(json.dumps(worked), flush=True)  # noqa: T201


def work(kind: str, limit: int) -> Mapping[str, Any]:
    """Run a sync once: its seconds, its own CPU seconds, the process's peak memory, the report."""
    began, cpu = time.perf_counter(), time.process_time()
    reports: list[Report] = asyncio.run(
        SYNCS[kind](CancellationParameters(limit=limit, direction=Direction.OUT))
    )
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": peak_mb(),
        "report": reports[0].to_json(),
    }


def _profiled(file: str, kind: str, limit: int) -> Mapping[str, Any]:
    profile = cProfile.Profile()
    try:
        return profile.runcall(work, kind, limit)
    finally:
        profile.dump_stats(file)


def peak_mb() -> float:
    """The largest resident memory of this process so far, in MB.

    Linux's ru_maxrss also counts the process that forked this one, so VmHWM comes first.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    main()
