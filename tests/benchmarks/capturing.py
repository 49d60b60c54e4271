"""What capturing its changes costs the ERP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.benchmarks.capture import measure
from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Place


def cost_of_capture(place: Place) -> Sequence[Figure]:
    """Microseconds for each row of a bulk update of 20,000, and how often it had to wait."""
    found = asyncio.run(measure(place.server))
    waits = int(found["lock_waits"])
    return [
        Figure(
            "capture, per row of a bulk update of 20,000",
            measured=found["worst"],
            limit=15,
            unit="us",
            faults=[f"{waits} lock waits"] if waits else [],
            details=found,
        )
    ]
