"""Open the seller's database, or the embedded one where none is configured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.embedded import start_embedded
from integrations.ledger.database import autocommit, open_engine
from integrations.settings import ConfigurationError, Settings


class DatabaseUnreachableError(Exception):
    """The seller's database does not answer; the message names neither user nor password."""


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The seller's database, or the embedded one where none is configured.

    Raises:
        DatabaseUnreachableError: it does not answer.
        ConfigurationError: it has not been set up.
    """
    async with AsyncExitStack() as stack:
        url = settings.database_url
        if url is None:
            embedded = await asyncio.to_thread(start_embedded, settings.data_dir)
            stack.callback(embedded.stop)
            url = embedded.url
        engine = open_engine(url)
        stack.push_async_callback(engine.dispose)
        await _check_set_up(engine)
        yield engine


async def _check_set_up(engine: AsyncEngine) -> None:
    try:
        async with autocommit(engine) as connection:
            found = await connection.scalar(text("SELECT to_regclass('app.emag_changes')"))
    except DBAPIError as error:
        detail = str(error.orig).splitlines()[0] if error.orig else type(error).__name__
        raise DatabaseUnreachableError(
            f"the database cannot be reached ({detail}): check DATABASE_URL"
        ) from error
    if found is None:
        raise ConfigurationError(
            "DATABASE_URL", "the database is not set up", "run `emag-flows db upgrade`"
        )
