"""A process of its own: one backfill as `emag-flows backfill` makes it.

    python -m tests.benchmarks.past_worker SINCE UNTIL

Prints "ready" once everything is imported, begins at a line on its standard input, and prints one
JSON object. The account's own orders and returns only are counted in `history`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time

from flows.cli.console import begin
from flows.history import fill_history
from flows.parameters import BackfillParameters
from tests.benchmarks.worker import peak_mb


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
        "peak_mb": peak_mb(),
        "history": {name: count for name, count in rows.items() if count},
        "report": history.to_json(),
    }
    print(json.dumps(worked), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
