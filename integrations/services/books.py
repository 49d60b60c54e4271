"""The seller's database as services reach it: one pool per event loop and address."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from integrations.erp.schema import ErpSchema, read_schema
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine
from integrations.settings import ConfigurationError, load_settings


@dataclass(frozen=True)
class Database:
    """The seller's database."""

    engine: Engine

    async def schema(self) -> ErpSchema:
        """What its tables look like now: an ERP gets columns while a server runs."""
        async with autocommit(self.engine) as connection:
            return await read_schema(connection)


_OPENED: MutableMapping[asyncio.AbstractEventLoop, dict[str, Database]] = WeakKeyDictionary()


async def database() -> Database:
    """The database of DATABASE_URL, opened once per event loop.

    Raises:
        ConfigurationError: DATABASE_URL is not set.
    """
    url = load_settings().database_url
    if url is None:
        raise ConfigurationError(
            "DATABASE_URL", "is not set", "services need the ERP's own database: set it"
        )
    opened = _OPENED.setdefault(asyncio.get_running_loop(), {})
    if url not in opened:
        opened[url] = Database(Engine(url))
    return opened[url]


def close_all() -> None:
    """Close what this event loop has opened."""
    for each in _OPENED.pop(asyncio.get_running_loop(), {}).values():
        each.engine.close()
