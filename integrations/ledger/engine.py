"""The connections to the seller's database: a few, made when they are needed, lent one at a time.

A pool of our own, since the known ones are dear here or say too little: SQLAlchemy's takes each
process 0.4 s to load and every loan a greenlet; psycopg's connects in the background, so that who
waits for a connection never learns why none comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from integrations.ledger.patience import hang_up
from integrations.ledger.session import connect

CONNECTIONS = 5

# How long somebody waits for a connection that others hold.
WAIT_SECONDS = 30.0

Driver = psycopg.AsyncConnection[Any]


class NoConnectionError(psycopg.OperationalError):
    """All connections are in use, and stay so."""


class Engine:
    """At most so many connections to one database in this process.

    Attributes:
        url: where it is, with its password.
    """

    def __init__(
        self, url: str, connections: int = CONNECTIONS, kind: type[Driver] = psycopg.AsyncConnection
    ) -> None:
        self.url = url
        self._kind = kind
        self._connections = connections
        self._free = asyncio.Semaphore(connections)
        self._idle = list[Driver]()
        self._longest: float | None = None
        self._limits = dict[Driver, asyncio.TimerHandle]()
        self._endings = list[Callable[[], None]]()
        self._closed = False

    async def lend(self) -> Driver:
        """A connection for who gives it back: one that was there before, or a new one.

        Raises:
            NoConnectionError: all are held by others, for half a minute.
            psycopg.Error: the database can't be reached, or lets nobody in.
        """
        await self._wait_for_one()
        try:
            connection = self._kept() or await connect(self.url, kind=self._kind)
        except BaseException:
            self._free.release()
            raise
        if self._longest is not None:
            later = asyncio.get_running_loop().call_later
            self._limits[connection] = later(self._longest, hang_up, connection)
        return connection

    async def give_back(self, connection: Driver) -> None:
        """Return one as it was lent; whoever is cancelled meanwhile does not take it along."""
        if connection.info.transaction_status == TransactionStatus.IDLE:
            await self._take_back(connection)  # which waits for nothing
        else:
            await asyncio.shield(asyncio.create_task(self._take_back(connection)))

    def hold_at_most(self, seconds: float) -> None:
        """Cut off whatever holds a connection for longer, as if the server had ended it."""
        self._longest = seconds

    def at_end(self, ending: Callable[[], None]) -> None:
        """Have something else end with the engine."""
        self._endings.append(ending)

    def close(self) -> None:
        """Let go of all connections; one that is lent goes when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().pgconn.finish()
        for ending in self._endings:
            ending()

    async def _wait_for_one(self) -> None:
        limit = asyncio.timeout(WAIT_SECONDS) if self._free.locked() else nullcontext()
        try:
            async with limit:
                await self._free.acquire()
        except TimeoutError:
            raise NoConnectionError(
                f"all {self._connections} connections to the database have been in use for"
                f" {WAIT_SECONDS:g} s"
            ) from None

    def _kept(self) -> Driver | None:
        """One that is there and has not ended, which no statement is needed to know."""
        while self._idle:
            connection = self._idle.pop()
            if not has_ended(connection):
                return connection
            connection.pgconn.finish()
        return None

    async def _take_back(self, connection: Driver) -> None:
        try:
            if connection.info.transaction_status != TransactionStatus.IDLE:
                await connection.rollback()
            await connection.set_autocommit(False)
        except psycopg.Error:
            await connection.close()  # it broke, or somebody left a statement unfinished
        finally:
            if limit := self._limits.pop(connection, None):
                limit.cancel()
            if self._closed or connection.info.transaction_status != TransactionStatus.IDLE:
                await connection.close()
            else:
                self._idle.append(connection)
            self._free.release()


def has_ended(connection: Driver) -> bool:
    """Whether the server is known to have ended a connection on which nothing is under way."""
    if connection.closed:
        return True
    try:
        connection.pgconn.consume_input()  # the server's last words,
        connection.pgconn.consume_input()  # and that nothing more comes
    except psycopg.OperationalError:
        return True
    return False
