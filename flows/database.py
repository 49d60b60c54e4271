"""Open the seller's database, or the embedded one where none is configured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg

from integrations.erp.connection import Connection
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine
from integrations.ledger.session import EncodingError
from integrations.settings import ConfigurationError, Settings, redacted

# Looks a table up in the catalogue: by its name nobody finds it who may not use the schema.
SET_UP = """
    SELECT quote_ident(current_user) AS role, has_schema_privilege(n.oid, 'USAGE') AS may_use,
           EXISTS (SELECT FROM pg_class c
                    WHERE c.relnamespace = n.oid AND c.relname = 'emag_changes') AS there
      FROM pg_namespace n WHERE n.nspname = 'app'
"""


class DatabaseUnreachableError(Exception):
    """The seller's database can't be worked with; the message never holds its password."""


class MissingRightError(DatabaseUnreachableError):
    """The role of DATABASE_URL may not do what everything needs; the message names the GRANT."""


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Engine]:
    """The seller's database, or the embedded one where none is configured.

    Raises:
        DatabaseUnreachableError: it does not answer, or to its role not at all.
        ConfigurationError: it has not been set up.
    """
    async with AsyncExitStack() as stack:
        engine = Engine(await _address(settings, stack))
        stack.callback(engine.close)
        try:
            async with autocommit(engine) as connection:
                await _check_set_up(connection)
        except psycopg.Error as error:
            raise _unreachable(error, settings) from None
        yield engine


@asynccontextmanager
async def open_connection(settings: Settings) -> AsyncIterator[Connection]:
    """One connection in autocommit, for what only looks.

    Raises:
        DatabaseUnreachableError, ConfigurationError: as above.
    """
    async with open_database(settings) as engine, autocommit(engine) as connection:
        yield connection


async def _address(settings: Settings, stack: AsyncExitStack) -> str:
    """The configured database, or the embedded one, which `emag-flows db upgrade` alone makes."""
    if settings.database_url is not None:
        return settings.database_url
    if not settings.data_dir.expanduser().is_dir():
        raise ConfigurationError(
            "DATABASE_URL",
            f"is not set, and there is no embedded database under {settings.data_dir}"
            " (EMAG_DATA_DIR)",
            "set one of the two (for a Prefect worker: in its environment, or in .env where its"
            " flows run), or make an embedded one with `emag-flows db upgrade`",
        )
    from integrations.embedded import start_embedded

    embedded = await asyncio.to_thread(start_embedded, settings.data_dir)
    stack.callback(embedded.stop)
    return embedded.url


async def _check_set_up(connection: Connection) -> None:
    role, may_use, there = (await connection.execute(SET_UP)).first() or ("", True, False)
    if not there:
        raise ConfigurationError(
            "DATABASE_URL", "the database is not set up", "run `emag-flows db upgrade`"
        )
    if not may_use:
        raise MissingRightError(
            f"role {role} of DATABASE_URL may not use schema app: GRANT USAGE ON SCHEMA app TO"
            f" {role}, then run `emag-flows db check`, which names what else is missing"
        )


def _unreachable(
    error: Exception, settings: Settings
) -> DatabaseUnreachableError | ConfigurationError:
    if isinstance(error, EncodingError):
        return ConfigurationError("DATABASE_URL", error.problem, error.remedy)
    lines = str(error).splitlines() or [type(error).__name__]
    said = redacted(lines[0], settings.database_url)
    return DatabaseUnreachableError(f"the database cannot be reached ({said}): check DATABASE_URL")
