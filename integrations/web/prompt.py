"""The database for those who would rather be told that it does not answer than wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from integrations.ledger.database import autocommit
from integrations.ledger.patience import answers_within

# To come by a connection, and then for all that is asked on it.
PATIENCE_SECONDS = 3.0


@asynccontextmanager
async def prompt(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection in autocommit, for a few quick questions.

    Raises:
        TimeoutError, psycopg.OperationalError: they were not answered soon.
    """
    async with asyncio.timeout(PATIENCE_SECONDS) as coming, autocommit(engine) as connection:
        coming.reschedule(None)
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, psycopg.AsyncConnection)
        async with answers_within(driver, PATIENCE_SECONDS):
            yield connection
