"""A process of its own: one way in of returns as `emag-flows run rma --direction in` makes it.

    python -m tests.benchmarks.news_worker

Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json

from flows.cli.console import begin
from flows.parameters import Direction, SyncParameters
from flows.rma import sync_returns


def main() -> None:
    """Run, report."""
    begin()
    [report] = asyncio.run(sync_returns(SyncParameters(direction=Direction.IN)))
    print(json.dumps(report.to_json()), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
