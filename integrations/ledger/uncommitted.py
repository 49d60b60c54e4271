"""An engine through which nothing can be committed: what is done on it shows what would happen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from integrations.ledger.engine import Engine

CONNECTIONS = 3


class _Uncommitted(psycopg.AsyncConnection[Any]):
    """A connection whose transactions all end in a rollback, also where none was asked for."""

    async def commit(self) -> None:
        await self.rollback()

    async def set_autocommit(self, value: bool) -> None:
        """Stay as it is: each statement would be committed."""


@contextmanager
def uncommitted(engine: Engine) -> Iterator[Engine]:
    """The same database, of which only the request budget and the call record can be written.

    Those go over the engine's line (see `line`), which is a connection of its own. Each transaction
    is rolled back where it would end, so that its locks are held no longer than a real one's.
    """
    dry = Engine(engine.url, CONNECTIONS, kind=_Uncommitted)
    try:
        yield dry
    finally:
        dry.close()
