"""Pages of a listing that are asked for while those before them are on their way or being taken.

eMAG may take longer to answer than its limit's pace, and so may the ERP to take what a page brings:
a limit is used up only with several pages under way. But a page beyond the end is a request for
nothing. So ahead is asked for the page after one that is known not to be the last, and for as many
as the listing filled lately, less one. More than one of these is missing only where a page's rows
have left the listing meanwhile, each of which costs a request of its own in any case.

No more pages are under way than eMAG's answers make necessary: a slot of the request budget that
was missed can be used a little later, as long as few are reserved behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")

# So many pages are under way at once at most.
MOST = 4

# The share that the newest answer has in how long answers usually take.
NEWEST = 0.2

# An answer that is late holds up those behind it; so far ahead may they wait for it.
FARTHEST = 16


@dataclass
class Ahead(Generic[T]):
    """Asks for the pages of one listing after the other; nothing ahead of its time until at work.

    Attributes:
        rows: how many rows the listing held lately.
        at_once: how many pages are under way.
    """

    rows: int = 0
    at_once: int = 1
    _usual: float | None = None
    _is_at_work: bool = False
    _asked: dict[int, asyncio.Task[T]] = field(default_factory=dict)
    _last: int = 0
    _there: int = 0

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Within the block pages are asked for ahead; nothing is under way after it."""
        self._is_at_work = True
        try:
            yield
        finally:
            self._is_at_work = False
            await self.settle()

    async def page(self, number: int, read: Callable[[int], Coroutine[Any, Any, T]]) -> T:
        """What `read` says of a page, which may have been asked for already.

        Raises whatever `read` does.
        """
        asked = self._asked.pop(number, None)
        return await (read(number) if asked is None else asked)

    def took(self, seconds: float, pace: float) -> None:
        """An answer took so long, where one request may leave in every `pace` seconds."""
        usual = seconds if self._usual is None else self._usual
        self._usual = usual + NEWEST * (seconds - usual)
        self.at_once = max(1, min(MOST, 1 + int(self._usual / pace)))

    def go_on(
        self, number: int, length: int, read: Callable[[int], Coroutine[Any, Any, T]]
    ) -> None:
        """Ask for pages after this one, which holds so many rows and is not the last."""
        if self._is_at_work:
            full = min(self.rows // length - 1, number + FARTHEST)
            self._there = max(number + 1, full)
            self._last = max(self._last, number)
            self._ask(read)

    def _ask(self, read: Callable[[int], Coroutine[Any, Any, T]]) -> None:
        """Ask for what is there, as far as it may be under way; each answer lets another leave."""
        while self._last < self._there and self._under_way() < self.at_once:
            self._last += 1
            task = asyncio.create_task(read(self._last))
            task.add_done_callback(lambda done: self._answered(done, read))
            self._asked[self._last] = task

    def _answered(
        self, done: asyncio.Task[T], read: Callable[[int], Coroutine[Any, Any, T]]
    ) -> None:
        if not done.cancelled() and done.exception() is None:
            self._ask(read)

    def _under_way(self) -> int:
        return sum(not task.done() for task in self._asked.values())

    async def settle(self) -> None:
        """Let what is under way end, and forget it; who is cancelled does not wait for answers."""
        asked = list(self._asked.values())
        self._asked.clear()
        self._last = self._there = 0
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            for task in asked:
                task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
