"""Asking Prefect's API something over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

TRIES = 10


async def ask(method: str, url: str, body: Any = None) -> Any:
    """What a server answers; Prefect's says 503 while others write into its SQLite file."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.request(method, url, json=body)
        for _ in range(TRIES):
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            await asyncio.sleep(0.5)
            answer = await client.request(method, url, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None


async def cancellation_deployment(api: str) -> str:
    """The id of the deployment, whose schedule rests: its runs would have others cancelled."""
    found = await ask("GET", f"{api}/deployments/name/cancellation-sync/scheduled")
    await ask("POST", f"{api}/deployments/{found['id']}/pause_deployment")
    return str(found["id"])
