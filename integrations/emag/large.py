"""What takes long on large bodies is done in a thread, so that requests still leave in time.

A page of a hundred orders is 300 kB: reading it at one go takes longer than a request may be late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

# From this many bytes on, a thread costs less than what it spares the loop.
LARGE = 32 * 2**10

P = ParamSpec("P")
T = TypeVar("T")


async def aside(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` makes of its arguments, the largest of which has so many bytes."""
    if size < LARGE:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
