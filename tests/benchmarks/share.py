"""How much of eMAG's limit is used while there is work that needs single reads."""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Place
from tests.benchmarks.run import Run, play
from tests.benchmarks.scene import Scene

# Rows so rare among what is open that pages save nothing: about 25 s of work at either limit.
CANCELLATIONS = Scene("cancellation", rows=288, wish="pending", status=2, others=35_000)
RETURNS = Scene("rma", rows=48, wish="completed", status=6, others=8_000)

WORKERS = 4


def share_of_limit(place: Place) -> Sequence[Figure]:
    """The share of both limits that one process uses, and four together."""
    return [
        figure
        for bucket, scene, limit in (("orders", CANCELLATIONS, 12), ("other", RETURNS, 3))
        for figure in (
            _share(f"{bucket} {limit}/s, one process", play(place, scene), limit),
            _share(
                f"{bucket} {limit}/s, four processes",
                play(place, scene, workers=WORKERS, each=scene.rows // WORKERS),
                limit,
            ),
        )
    ]


def _share(who: str, run: Run, limit: int) -> Figure:
    return Figure(
        f"share of the limit used: {who}",
        measured=(len(run.requests) - 1) / (limit * run.span),
        limit=0.95,
        at_least=True,
        faults=run.faults,
        details=run.details,
    )
