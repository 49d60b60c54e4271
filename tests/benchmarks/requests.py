"""How many requests rows cost, many at once and one alone."""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Place
from tests.benchmarks.run import Run, play
from tests.benchmarks.scene import Scene

RECEIVED_RETURNS = Scene("rma", rows=400, wish="completed", status=6)
NEW_RETURNS = Scene("rma", rows=400, wish="approved", status=2)
CANCELLATIONS = Scene("cancellation", rows=400, wish="pending", status=2)

ONE_IN_PROGRESS = Scene("cancellation", rows=1, wish="pending", status=2)
ONE_NEW = Scene("cancellation", rows=1, wish="pending", status=1)


def requests_per_row(place: Place) -> Sequence[Figure]:
    """Of many rows with nothing else open at eMAG."""
    return [
        _per_row("400 returns, received to completed", play(place, RECEIVED_RETURNS)),
        _per_row("400 returns, new to approved", play(place, NEW_RETURNS)),
        _per_row("400 cancellations of orders in progress", play(place, CANCELLATIONS)),
    ]


def requests_of_one(place: Place) -> Sequence[Figure]:
    """Of a single cancellation."""
    return [
        _alone("of an order in progress", play(place, ONE_IN_PROGRESS), 2),
        _alone("of a new order", play(place, ONE_NEW), 4),
    ]


def _per_row(what: str, run: Run) -> Figure:
    return Figure(
        f"requests per row: {what}",
        measured=len(run.requests) / run.rows,
        limit=0.3,
        faults=run.faults,
        details=run.details,
    )


def _alone(what: str, run: Run, limit: int) -> Figure:
    return Figure(
        f"requests for one cancellation {what}",
        measured=len(run.requests),
        limit=limit,
        faults=run.faults,
        details=run.details,
    )
