"""How much faster returns are done than by a client that reads and saves one by one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import httpx

from tests.benchmarks.figures import Figure
from tests.benchmarks.place import PASSWORD, USERNAME, Place
from tests.benchmarks.requests import RECEIVED_RETURNS
from tests.benchmarks.run import marketplace, play
from tests.benchmarks.scene import FIRST_RETURN

ROWS = 30
PER_SECOND = 3
FINALIZED = 7


def faster_than_naive(place: Place) -> Sequence[Figure]:
    """Rows a second, in proportion to the naive client's."""
    run = play(place, RECEIVED_RETURNS)
    seconds = _naive_seconds(place)
    ours, naive = run.rows / run.seconds, ROWS / seconds
    return [
        Figure(
            "rows a second, to a client that reads and saves one by one at the full limit",
            measured=ours / naive,
            limit=8,
            unit="times",
            at_least=True,
            faults=run.faults,
            details={**run.details, "rows_per_second": ours, "naive_rows_per_second": naive},
        )
    ]


def _naive_seconds(place: Place) -> float:
    scene = replace(RECEIVED_RETURNS, rows=ROWS)
    with marketplace(place, scene, limits=False) as emag, _client(emag) as client:
        began = time.perf_counter()
        slots = _slots(began)
        for emag_id in range(FIRST_RETURN, FIRST_RETURN + ROWS):
            [found] = _post(client, slots, "rma/read", {"emag_id": emag_id})
            saved = {**found, "request_status": FINALIZED}
            _post(client, slots, "rma/save", {"data": [saved]})
        return time.perf_counter() - began


def _client(base_url: str) -> httpx.Client:
    return httpx.Client(base_url=base_url, auth=(USERNAME, PASSWORD), trust_env=False, timeout=30)


def _slots(began: float) -> Iterator[float]:
    """When requests may leave: exactly at the limit, with nothing lost to caution."""
    return (began + number / PER_SECOND for number in count())


def _post(client: httpx.Client, slots: Iterator[float], route: str, body: Any) -> list[Any]:
    time.sleep(max(0.0, next(slots) - time.perf_counter()))
    answer = client.post(route, json=body).raise_for_status().json()
    if answer["isError"]:
        raise ValueError(f"the sandbox refused {route}: {answer['messages']}")
    results: list[Any] = answer["results"]
    return results
