"""How long whole commands take while PostgreSQL runs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks.figures import Figure
from tests.benchmarks.history import history
from tests.benchmarks.place import Place
from tests.benchmarks.run import marketplace
from tests.benchmarks.scene import Scene

TIMES = 5
HISTORY = 1_000_000

# What eMAG has, none of which has changed since it was placed.
NOTHING_NEW = Scene("cancellation", rows=0, wish="pending", status=2, others=100)


def commands(place: Place) -> Sequence[Figure]:
    """The median time from the shell's point of view, in a shop with a long history."""
    with marketplace(place, NOTHING_NEW) as emag:
        environment = {
            **place.environment(history(place, HISTORY), emag),
            "EMAG_QUIET_SECONDS": "5",
        }
        return [
            _figure(place, environment, 0.5, "status"),
            _figure(place, environment, 2.0, "run", "cancellations", "--direction", "out"),
            _figure(place, environment, 2.0, "run", "cancellations"),
        ]


def _figure(place: Place, environment: Mapping[str, str], limit: float, *arguments: str) -> Figure:
    seconds = [_seconds(place.folder, environment, arguments) for _ in range(TIMES)]
    return Figure(
        f"emag-flows {' '.join(arguments)} with nothing to do",
        measured=median(seconds),
        limit=limit,
        unit="s",
        details={"seconds": seconds},
    )


def _seconds(folder: Path, environment: Mapping[str, str], arguments: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        [*_program(), *arguments], cwd=folder, env=environment, check=True, capture_output=True
    )
    return time.perf_counter() - began


def _program() -> Sequence[str]:
    """The console script, or what it would call where the package is not installed."""
    script = Path(sys.executable).with_name("emag-flows")
    if script.exists():
        return [str(script)]
    return [sys.executable, "-c", "from flows.cli.main import main; main()"]
