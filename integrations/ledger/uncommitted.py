"""An engine through which nothing can be committed: what is done on it shows what would happen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from integrations.ledger.database import address_of
from integrations.ledger.session import connect

CONNECTIONS = 3


class _Uncommitted(psycopg.AsyncConnection[Any]):
    """A connection whose transactions all end in a rollback, also where none was asked for."""

    async def commit(self) -> None:
        await self.rollback()

    async def set_autocommit(self, value: bool) -> None:
        """Stay as it is: each statement would be committed."""


@asynccontextmanager
async def uncommitted(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """The same database, of which only the request budget and the call record can be written.

    Those go over the engine's line (see `line`), which is a connection of its own. Each transaction
    is rolled back where it would end, so that its locks are held no longer than a real one's.
    """
    dry = create_async_engine(
        engine.url,
        async_creator=lambda: connect(**address_of(engine), kind=_Uncommitted),
        pool_size=CONNECTIONS,
        max_overflow=0,
    )
    try:
        yield dry
    finally:
        await dry.dispose()
