"""How soon what gathered while eMAG was away is carried, once it answers again."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

import httpx
import psycopg

from integrations.sync.work import LOT
from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Place
from tests.benchmarks.run import RunFailedError, _work, fill_erp, journal, marketplace
from tests.benchmarks.scene import Scene

# So rare among what is open that pages save nothing: the request limit is what holds them up.
GATHERED = Scene("cancellation", rows=2000, wish="pending", status=2, others=52_000)

LIMIT = 12
EACH = 100_000

_AN_HOUR_PASSES = """
    UPDATE app.emag_rate_limits
       SET down_since = down_since - interval '1 hour', probe_at = probe_at - interval '1 hour',
           next_free_at = next_free_at - interval '1 hour'
     WHERE down_since IS NOT NULL
"""


def drain(place: Place) -> Sequence[Figure]:
    """The time for 2,000 rows beside that of one read for each and full lots of saves."""
    database = place.database()
    with marketplace(place, GATHERED) as emag:
        environment = place.environment(database, emag)
        _gather(place, environment, database, emag)
        before = len(journal(emag, "requests"))
        [worker] = _work(place, environment, GATHERED, 1, EACH)
        requests = journal(emag, "requests")[before:]
        violations = journal(emag, "violations")
    synced = worker["report"]["rows"].get("synced", 0)
    if synced != GATHERED.rows:
        raise RunFailedError(f"only {synced} rows were synced: {worker['report']}")
    throttled = sum(request["throttled"] for request in requests)
    allowed = (GATHERED.rows + GATHERED.rows / LOT) / LIMIT
    return [
        Figure(
            f"drain: {GATHERED.rows} rows after an hour without eMAG, beside the limit's own time",
            measured=float(worker["seconds"]) / allowed,
            limit=1.2,
            faults=[f"{throttled} 429"] * bool(throttled)
            + [f"{len(violations)} violations"] * bool(violations),
            details={
                "seconds": worker["seconds"],
                "allowed": allowed,
                "requests": dict(Counter(request["route"] for request in requests)),
            },
        )
    ]


def _gather(place: Place, environment: Mapping[str, str], database: str, emag: str) -> None:
    """Rows that came while eMAG was known to be down; its last probe was an hour ago."""
    faults = emag.removesuffix("/api-3") + "/sandbox/faults"
    broken = {"kind": "http_503_html", "times": None}
    httpx.post(faults, json=broken, trust_env=False).raise_for_status()
    _note_outage(place, environment)
    fill_erp(database, GATHERED)
    [stopped] = _work(place, environment, GATHERED, 1, EACH)
    report = stopped["report"]
    if "unreachable" not in report or any(report["rows"].values()):
        raise RunFailedError(f"eMAG was not known to be down: {report}")
    with psycopg.connect(database) as connection:
        marked = connection.execute(_AN_HOUR_PASSES).rowcount
    if not marked:
        raise RunFailedError("no outage was marked")
    httpx.delete(faults, trust_env=False).raise_for_status()


def _note_outage(place: Place, environment: Mapping[str, str]) -> None:
    """Let a health check find out that eMAG is down."""
    check = [sys.executable, "-m", "flows.cli.main", "run", "health"]
    subprocess.run(check, cwd=place.folder, env=environment, check=False, capture_output=True)
