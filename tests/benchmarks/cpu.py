"""What a row costs of our own CPU."""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Place
from tests.benchmarks.requests import CANCELLATIONS, RECEIVED_RETURNS
from tests.benchmarks.run import Run, play
from tests.benchmarks.scene import Scene
from tests.benchmarks.share import CANCELLATIONS as READ_SINGLY

# A read, an acknowledge and another read of each row alone; only the last save is shared.
ACKNOWLEDGED_SINGLY = Scene("cancellation", rows=100, wish="pending", status=1, others=12_000)

LOTS, SINGLY = 3, 6


def own_cpu(place: Place) -> Sequence[Figure]:
    """Milliseconds of CPU in the worker for each row, without imports."""
    return [
        _per_row("in lots: 400 cancellations", play(place, CANCELLATIONS), LOTS),
        _per_row("in lots: 400 returns", play(place, RECEIVED_RETURNS), LOTS),
        _per_row("singly: one read each", play(place, READ_SINGLY), SINGLY),
        _per_row("singly: two reads, one write each", play(place, ACKNOWLEDGED_SINGLY), SINGLY),
    ]


def _per_row(what: str, run: Run, limit: int) -> Figure:
    return Figure(
        f"own CPU per row {what}",
        measured=run.cpu_per_row,
        limit=limit,
        unit="ms",
        faults=run.faults,
        details=run.details,
    )
