"""Open the seller's database, or the embedded one where none is configured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from integrations.settings import ConfigurationError, Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

CONNECT_SECONDS = 10


class DatabaseUnreachableError(Exception):
    """The seller's database does not answer; the message names neither user nor password."""


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The seller's database, or the embedded one where none is configured.

    Raises:
        DatabaseUnreachableError: it does not answer.
        ConfigurationError: it has not been set up.
    """
    from sqlalchemy.exc import DBAPIError

    from integrations.ledger.database import driver, open_engine

    async with AsyncExitStack() as stack:
        engine = open_engine(await _address(settings, stack))
        stack.push_async_callback(engine.dispose)
        try:
            async with driver(engine) as connection:
                await _check_set_up(connection)
        except (DBAPIError, psycopg.Error) as error:
            raise _unreachable(error) from error
        yield engine


@asynccontextmanager
async def open_connection(settings: Settings) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """One connection in autocommit, for what only looks: an engine would take longer to load.

    Raises:
        DatabaseUnreachableError, ConfigurationError: as above.
    """
    async with AsyncExitStack() as stack:
        address = await _address(settings, stack)
        try:
            connection = await psycopg.AsyncConnection.connect(
                address, autocommit=True, prepare_threshold=None, connect_timeout=CONNECT_SECONDS
            )
            stack.push_async_callback(connection.close)
            await _check_set_up(connection)
        except psycopg.Error as error:
            raise _unreachable(error) from error
        yield connection


async def _address(settings: Settings, stack: AsyncExitStack) -> str:
    """The configured database, or the embedded one, which `emag-flows db upgrade` alone makes."""
    if settings.database_url is not None:
        return settings.database_url
    if not settings.data_dir.expanduser().is_dir():
        raise ConfigurationError(
            "DATABASE_URL",
            f"is not set, and there is no embedded database under {settings.data_dir}",
            "set it (for a Prefect worker: in its environment, or in .env where its flows run), or"
            " make an embedded one with `emag-flows db upgrade`",
        )
    from integrations.embedded import start_embedded

    embedded = await asyncio.to_thread(start_embedded, settings.data_dir)
    stack.callback(embedded.stop)
    return embedded.url


async def _check_set_up(connection: psycopg.AsyncConnection[Any]) -> None:
    found = await connection.execute(b"SELECT to_regclass('app.emag_changes')")
    if await found.fetchone() == (None,):
        raise ConfigurationError(
            "DATABASE_URL", "the database is not set up", "run `emag-flows db upgrade`"
        )


def _unreachable(error: Exception) -> DatabaseUnreachableError:
    lines = str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__]
    return DatabaseUnreachableError(
        f"the database cannot be reached ({lines[0]}): check DATABASE_URL"
    )
