"""Asking Prefect's API something over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_fixed

TRIES = 10

# Seconds from one look to the next: each keeps a server busy for some hundredths of one.
PAUSE = 0.5

# Long beyond anything that has to be waited for: what takes this long has failed.
LONGEST = 240.0

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def _is_busy(error: BaseException) -> bool:
    """Prefect's server says 503 while others write into its SQLite file, or nothing in time.

    What it was to do, it may have done in the latter case: only a question is put again then.
    """
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == httpx.codes.SERVICE_UNAVAILABLE
    return isinstance(error, httpx.ReadTimeout) and error.request.method == "GET"


@retry(
    retry=retry_if_exception(_is_busy),
    stop=stop_after_attempt(TRIES),
    wait=wait_fixed(PAUSE),
    reraise=True,
)
async def ask(method: str, url: str, body: Any = None) -> Any:
    """What a server answers; one that is busy is asked again."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.request(method, url, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None


async def run_that_is(api: str, run_id: str, *wanted: str) -> dict[str, Any]:
    """Wait until a run is of one of these types, or suspended; the run."""
    run: dict[str, Any] = {}
    for _ in range(int(LONGEST / PAUSE)):
        run = await ask("GET", f"{api}/flow_runs/{run_id}")
        if not {run["state_type"], (run["state_name"] or "").upper()}.isdisjoint(wanted):
            return run
        await asyncio.sleep(PAUSE)
    raise AssertionError(f"it is {run['state_name']}: {run['state']['message']}")


async def cancellation_deployment(api: str) -> str:
    """The id of the deployment, whose schedule rests: its runs would have others cancelled."""
    found = await ask("GET", f"{api}/deployments/name/cancellation-sync/scheduled")
    await ask("POST", f"{api}/deployments/{found['id']}/pause_deployment")
    return str(found["id"])
