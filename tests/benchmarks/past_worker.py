"""A process of its own: one backfill as `emag-flows backfill` makes it.

    python -m tests.benchmarks.past_worker SINCE UNTIL

Prints "ready" once everything is imported, begins at a line on its standard input, and prints one
JSON object. The account's own orders and returns only are counted in `history`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time
from collections.abc import Mapping

from flows.cli.console import begin
from flows.history import fill_history
from flows.parameters import BackfillParameters


def main() -> None:
    """Wait for the word, run, report."""
    since, until = sys.argv[1:]
    begin()
    gc.freeze()
    print("ready", flush=True)  # noqa: T201
    if not sys.stdin.readline():
        return
    began = time.perf_counter()
    parameters = BackfillParameters.model_validate({"since": since, "until": until})
    [history] = asyncio.run(fill_history(parameters))
    rows = {course.stream.name: course.rows for course in history.courses}
    worked = {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": _cpu_seconds(),
        "history": {name: count for name, count in rows.items() if count},
        "report": history.to_json(),
    }
    print(json.dumps(worked), flush=True)  # noqa: T201


def _cpu_seconds() -> Mapping[str, float]:
    """What this process has taken since it began, and the one that stored for it."""
    who = {"reading": resource.RUSAGE_SELF, "storing": resource.RUSAGE_CHILDREN}
    usages = {what: resource.getrusage(each) for what, each in who.items()}
    return {what: each.ru_utime + each.ru_stime for what, each in usages.items()}


if __name__ == "__main__":
    main()
