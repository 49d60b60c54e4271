"""Store in a thread of its own, on an event loop of its own: requests leave at their instants.

On one loop, storing hundreds of rows a second would make the requests of the same process late, and
what a late request leaves of the request budget is lost.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from integrations.ledger.database import open_engine
from integrations.sync.channel import Channel

R = TypeVar("R")

# How long, in seconds, one thread may keep the other from running; Python's default is 0.005.
SWITCH = 0.001


@dataclass(frozen=True)
class Storage:
    """The thread's loop, and the channel with which it stores: it has connections of its own."""

    channel: Channel
    _loop: asyncio.AbstractEventLoop

    async def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run something there; cancelling it here cancels it there."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


@asynccontextmanager
async def storing(channel: Channel) -> AsyncIterator[Storage]:
    """A thread for storing, for as long as the block runs; what it was doing is ended with it."""
    before = sys.getswitchinterval()
    loop = asyncio.new_event_loop()
    engine = open_engine(channel.engine.url.render_as_string(hide_password=False))
    thread = threading.Thread(target=loop.run_forever, name="storing", daemon=True)
    thread.start()
    sys.setswitchinterval(SWITCH)
    storage = Storage(replace(channel, engine=engine), loop)
    try:
        yield storage
    finally:
        sys.setswitchinterval(before)
        await storage.run(_end(engine.dispose()))
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.to_thread(thread.join)
        loop.close()


async def _end(disposing: Coroutine[Any, Any, None]) -> None:
    """End what is still running on this loop, then let go of the connections."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await disposing
