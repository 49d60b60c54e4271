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
