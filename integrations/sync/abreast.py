"""Do something for many things at once; how many requests are under way is the channel's matter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from integrations.sync.channel import Channel

T = TypeVar("T")


async def abreast(
    channel: Channel, things: Iterable[T], do: Callable[[Channel, T], Awaitable[None]]
) -> None:
    """Run `do` for all things; what is under way ends before the first error is raised."""
    results = await asyncio.gather(
        *(do(channel, thing) for thing in things), return_exceptions=True
    )
    for result in results:
        if isinstance(result, BaseException):
            raise result
