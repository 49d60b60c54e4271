"""`python -m tests.benchmarks [NAME ...] [--json FILE]`: measure, print a table, write JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.benchmarks.backfill import backfilling
from tests.benchmarks.call_record import call_record
from tests.benchmarks.capturing import cost_of_capture
from tests.benchmarks.claiming import claiming
from tests.benchmarks.commands import commands
from tests.benchmarks.cpu import own_cpu
from tests.benchmarks.drain import drain
from tests.benchmarks.figures import Figure, table
from tests.benchmarks.inbound import inbound
from tests.benchmarks.memory import peak_memory
from tests.benchmarks.naive import faster_than_naive
from tests.benchmarks.place import Place, open_place
from tests.benchmarks.recovery import recovery
from tests.benchmarks.requests import requests_of_one, requests_per_row
from tests.benchmarks.resident import resident
from tests.benchmarks.share import share_of_limit
from tests.benchmarks.web import answering
from tests.benchmarks.whole import whole

WIDTH_OF_A_FILE = 120

# What tells how fast a machine is at the time: a virtual one may be three times slower an hour on.
ADDITIONS = 5_000_000

MEASUREMENTS: Mapping[str, Callable[[Place], Sequence[Figure]]] = {
    "share": share_of_limit,
    "requests": requests_per_row,
    "faster": faster_than_naive,
    "single": requests_of_one,
    "cpu": own_cpu,
    "claim": claiming,
    "capture": cost_of_capture,
    "memory": peak_memory,
    "commands": commands,
    "recovery": recovery,
    "record": call_record,
    "drain": drain,
    "resident": resident,
    "inbound": inbound,
    "backfill": backfilling,
    "http": answering,
    "up": whole,
}


def main() -> int:
    """0 when all was measured, however good it was; 1 when something could not be."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up then, too
    figures: dict[str, Sequence[Figure]] = {}
    failures: dict[str, str] = {}
    paces: dict[str, float] = {}
    with open_place() as place:
        for name in options.names or MEASUREMENTS:
            paces[name] = _pace()
            try:
                figures[name] = _measured(place, name)
            except Exception as error:  # the others are worth knowing all the same
                failures[name] = f"{type(error).__name__}: {error}"
    _show([figure for each in figures.values() for figure in each])
    _say(f"{ADDITIONS:,} additions took {min(paces.values()):.2f} to {max(paces.values()):.2f} s")
    for name, problem in failures.items():
        _say(f"{name} could not be measured: {problem}")
    options.json.write_text(json.dumps(_document(figures, failures, paces), indent=2) + "\n")
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="FILE")
    options = parser.parse_args()
    if strangers := set(options.names) - MEASUREMENTS.keys():
        parser.error(f"there is no {', '.join(sorted(strangers))}: {', '.join(MEASUREMENTS)}")
    return options


def _measured(place: Place, name: str) -> Sequence[Figure]:
    _say(f"measuring {name} ...")
    began = time.perf_counter()
    figures = MEASUREMENTS[name](place)
    _say(f"measuring {name} took {time.perf_counter() - began:.0f} s")
    return figures


def _pace() -> float:
    """Seconds of CPU that a fixed piece of work takes now, the quicker of two tries."""
    tries = []
    for _ in range(2):
        began, total = time.process_time(), 0
        for number in range(ADDITIONS):
            total += number
        tries.append(time.process_time() - began)
    return min(tries)


def _show(figures: Sequence[Figure]) -> None:
    screen = Console()
    wide = screen if screen.is_terminal else Console(width=WIDTH_OF_A_FILE)
    wide.print(table(figures))


def _document(
    figures: Mapping[str, Sequence[Figure]],
    failures: Mapping[str, str],
    paces: Mapping[str, float],
) -> Mapping[str, Any]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "load": os.getloadavg(),
            "seconds_for_additions": {"additions": ADDITIONS, **paces},
        },
        "figures": {name: [figure.to_json() for figure in each] for name, each in figures.items()},
        "failures": dict(failures),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
