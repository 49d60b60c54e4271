"""The embedded PostgreSQL of `up`: when it has ended by itself, it is started again."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from integrations.embedded import Embedded

log = logging.getLogger("emag.up")

LOOK_SECONDS = 1.0
ATTEMPTS = 5

# One that ends again sooner than this is started again after a pause, each twice the one before.
STEADY_SECONDS = 60.0
LONGEST_PAUSE = 30.0


async def keep_running(server: Embedded, stopping: asyncio.Event) -> None:
    """Look after the server until `stopping` is set.

    Raises:
        EmbeddedError: it has ended, and can't be started again.
    """
    pause, since = 0.0, time.monotonic()
    while not await _is_set(stopping, LOOK_SECONDS):
        if server.is_running:
            continue
        is_steady = time.monotonic() - since > STEADY_SECONDS
        pause = 0.0 if is_steady else _longer(pause)
        log.warning("PostgreSQL, embedded: it has ended; starting it again in %g s", pause)
        if await _is_set(stopping, pause) or not await _start(server, stopping):
            return
        since = time.monotonic()


async def _start(server: Embedded, stopping: asyncio.Event) -> bool:
    """Start it; False where all is to end before that was done."""
    from integrations.embedded import EmbeddedError

    pause = 0.0
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await asyncio.to_thread(server.start_again)
        except EmbeddedError as error:
            if attempt == ATTEMPTS:
                raise
            pause = _longer(pause)
            log.warning("%s; trying again in %g s", error, pause)
        else:
            return True
        if await _is_set(stopping, pause):
            break
    return False


def _longer(pause: float) -> float:
    return min(LONGEST_PAUSE, max(1.0, 2 * pause))


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    """Whether it is, after so many seconds at most."""
    if event.is_set():
        return True
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
