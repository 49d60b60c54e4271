"""Ask Prefect for the runs of cancellation-sync that it has suspended until a person answers."""

from __future__ import annotations

import asyncio
import os

from flows.approving import Suspended

# Whoever looks into the inbox does not wait longer for a server that is away.
ANSWERS_WITHIN = 5.0


class NotKnownError(Exception):
    """Whether a run is suspended can't be said here; the text says why."""


async def suspended_runs() -> list[Suspended]:
    """Those of the server at PREFECT_API_URL.

    Raises:
        NotKnownError: no server is named, or it does not answer.
    """
    if not os.environ.get("PREFECT_API_URL"):
        raise NotKnownError("PREFECT_API_URL is not set")
    import httpx

    from flows.deployed import read_suspended

    try:
        async with asyncio.timeout(ANSWERS_WITHIN):
            return await read_suspended()
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
        raise NotKnownError("PREFECT_API_URL does not answer") from error
