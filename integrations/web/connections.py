"""Connections on which nothing happens end soon, and never keep others out.

uvicorn alone ends one only after it has answered on it, and counts all of them against its limit.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

# From its beginning, or the first byte of its next request, until all headers have come.
HEADER_SECONDS = 10.0

# Where there are more, those that have waited longest make room for as many new ones.
MOST = 500
ROOM = 50


class ShortLived(H11Protocol):
    """A connection that is ended when no request comes on it, be it byte by byte."""

    _limit: asyncio.TimerHandle | None = None
    _idle_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        self._begin_limit()
        self._make_room()

    def data_received(self, data: bytes) -> None:
        """Take bytes; those that make no request yet win no time."""
        super().data_received(data)
        if self.is_idle:
            self._begin_limit()
        else:
            self._end_limit()

    def on_response_complete(self) -> None:
        """Wait for the next request, as long as uvicorn's own limit lets us."""
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._end_limit()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def standing(self) -> tuple[bool, float]:
        """Sorts those first that never asked for anything, then by how long they have waited."""
        return self.cycle is not None, self._idle_since

    def _begin_limit(self) -> None:
        if self._limit is None:
            self._limit = self.loop.call_later(HEADER_SECONDS, self.timeout_keep_alive_handler)

    def _end_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _make_room(self) -> None:
        if len(self.connections) > MOST:
            for each in self._longest_waiting()[:ROOM]:
                each.transport.close()
                self.connections.discard(each)

    def _longest_waiting(self) -> list[ShortLived]:
        others = [each for each in self.connections if isinstance(each, ShortLived)]
        waiting = [each for each in others if each is not self and each.is_idle]
        return sorted(waiting, key=lambda each: each.standing)
