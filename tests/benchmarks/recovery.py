"""What it costs eMAG that a worker was killed: requests beside those of an undisturbed run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

import psycopg

from integrations.erp.rows import Kind
from integrations.ledger.points import Point
from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Place
from tests.benchmarks.run import RunFailedError, fill_erp, journal, marketplace, play
from tests.benchmarks.scene import Scene
from tests.kills.worker import Errand

HELD = Scene("cancellation", rows=500, wish="pending", status=2)

# Half of the lots answered, all of them, and nothing of it in our books.
DEATHS = ((Point.NOTED, 5), (Point.CARRIED, 1))

_LEASES_RUN_OUT = "UPDATE app.emag_order_leases SET expires_at = clock_timestamp()"
_IN_FLIGHT = """
    SELECT count(DISTINCT named) FROM app.emag_api_calls, unnest(rows) AS named WHERE writes
"""
_SYNCED = "SELECT count(*) FROM app.emag_cancellation_integrations WHERE sync_state = 'synced'"


def recovery(place: Place) -> Sequence[Figure]:
    """After kill -9 of a worker that holds 500 rows, wherever it was."""
    undisturbed = len(play(place, HELD).requests)
    return [_after(place, undisturbed, *death) for death in DEATHS]


def _after(place: Place, undisturbed: int, dies_at: Point, visit: int) -> Figure:
    database = place.database()
    fill_erp(database, HELD)
    with marketplace(place, HELD) as emag:
        environment = place.environment(database, emag)
        died = _work(place, environment, dies_at=dies_at, visit=visit)
        with psycopg.connect(database) as connection:
            [in_flight] = connection.execute(_IN_FLIGHT).fetchone() or [0]
            connection.execute(_LEASES_RUN_OUT)
        ended = _work(place, environment)
        requests, violations = journal(emag, "requests"), journal(emag, "violations")
        effects = journal(emag, "effects")
    with psycopg.connect(database) as connection:
        [synced] = connection.execute(_SYNCED).fetchone() or [0]
    if (died, ended, synced) != (-9, 0, HELD.rows):
        raise RunFailedError(f"workers ended with {died} and {ended}, {synced} rows were synced")
    return Figure(
        f"recovery: extra requests per row in flight, killed when {dies_at.value}",
        measured=(len(requests) - undisturbed) / in_flight,
        limit=1.0,
        faults=[f"{len(violations)} violations"] * bool(violations)
        + ["effects twice"] * (len(effects) != HELD.rows),
        details={
            "requests": len(requests),
            "undisturbed": undisturbed,
            "in flight": in_flight,
        },
    )


def _work(
    place: Place,
    environment: Mapping[str, str],
    dies_at: Point | None = None,
    visit: int = 1,
) -> int:
    """Let a worker carry what is due; its exit code, -9 when it killed itself."""
    errand = Errand(
        kind=Kind.CANCELLATION,
        account="all",
        environment={},
        folder=str(place.folder),
        timings={"quiet": 0.0},
        dies_at=dies_at,
        visit=visit,
    )
    worker = [sys.executable, "-m", "tests.kills.worker", errand.to_json()]
    return subprocess.run(worker, cwd=place.folder, env=environment, check=False).returncode
