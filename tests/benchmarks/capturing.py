"""What capturing its changes costs the ERP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Place


def cost_of_capture(place: Place) -> Sequence[Figure]:
    """Microseconds for each row of a bulk update."""
    from tests.benchmarks.capture import measure

    found = asyncio.run(measure(place.database()))
    return [Figure("capture", measured=0, limit=15, unit="us", details=found)]
