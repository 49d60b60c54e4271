"""The database for those who would rather be told that it does not answer than wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg

from integrations.erp.connection import Connection
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine
from integrations.ledger.patience import NoAnswerError, answers_within

R = TypeVar("R")

# To come by a connection, and then for all that is asked on it.
PATIENCE_SECONDS = 3.0

LOOK_SECONDS = 1.0


@asynccontextmanager
async def prompt(engine: Engine) -> AsyncIterator[Connection]:
    """A connection in autocommit, for a few quick questions.

    Raises:
        TimeoutError, psycopg.OperationalError: they were not answered soon.
    """
    async with asyncio.timeout(PATIENCE_SECONDS) as coming, autocommit(engine) as connection:
        coming.reschedule(None)
        async with answers_within(connection.driver, PATIENCE_SECONDS):
            yield connection


async def unless_frozen(engine: Engine, work: Coroutine[Any, Any, R]) -> R:
    """What comes of long work, on connections of its own, while the database answers others.

    Raises:
        NoAnswerError: it has stopped to; the work is given up.
    """
    working, freezing = asyncio.create_task(work), asyncio.create_task(_freezes(engine))
    try:
        await asyncio.wait({working, freezing}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise NoAnswerError(f"no answer within {PATIENCE_SECONDS:g} s")
        return working.result()
    finally:
        for each in (working, freezing):
            each.add_done_callback(_pass_over)
            each.cancel()  # nobody waits for it: on a frozen connection that ends when it will


async def _freezes(engine: Engine) -> None:
    """Return once it has frozen; whatever else befalls it, the work itself is told."""
    while True:
        try:
            async with prompt(engine) as connection:
                await connection.execute("SELECT 1")
        except (NoAnswerError, TimeoutError):
            return
        except (psycopg.Error, OSError):
            pass
        await asyncio.sleep(LOOK_SECONDS)


def _pass_over(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
