"""How much memory a worker takes at most while 50,000 rows are pending."""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Place
from tests.benchmarks.run import play
from tests.benchmarks.scene import Scene

PENDING, WORKED = 50_000, 3_000

# eMAG lists what the worked rows are about, so that pages carry them and the run stays short.
CANCELLATIONS = Scene("cancellation", rows=PENDING, wish="pending", status=2, known=WORKED)


def peak_memory(place: Place) -> Sequence[Figure]:
    """Megabytes."""
    run = play(place, CANCELLATIONS, each=WORKED)
    return [
        Figure(
            "peak memory, 50,000 cancellations pending",
            measured=run.details["peak_mb"],
            limit=300,
            unit="MB",
            faults=run.faults,
            details=run.details,
        )
    ]
