"""Runs of cancellation-sync that Prefect has suspended until a person answers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.approving import EVERY_ACCOUNT

# Whoever looks into the inbox does not wait longer for a server that is away.
ANSWERS_WITHIN = 5.0


class NotKnownError(Exception):
    """Whether a run is suspended can't be said here; the text says why."""


@dataclass(frozen=True)
class Suspended:
    """A run that waits for an answer about the cancellations of an account, or of all."""

    name: str
    account: str

    def asks_about(self, account: str) -> bool:
        """Whether the answer lets this account's cancellations go."""
        return self.account in (EVERY_ACCOUNT, account)


def suspended(name: str, parameters: Mapping[str, Any]) -> Suspended:
    """A suspended run of this name and with these parameters, as Prefect keeps them."""
    form = parameters.get("parameters") or {}
    return Suspended(name, form.get("account") or EVERY_ACCOUNT)


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
