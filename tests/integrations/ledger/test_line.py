"""A kept connection beside the pool, when its engine is disposed of while a statement runs."""

from __future__ import annotations

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.ledger.database import open_engine
from integrations.ledger.line import line

SLEEP = "SELECT pg_sleep(0.5), 7 AS answer /* on the line */"
BACKENDS = text("""
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND query LIKE '%on the line%'
       AND pid <> pg_backend_pid()
""")


async def wait_for(engine: AsyncEngine, backends: int) -> None:
    """Until so many connections have run the statement."""
    for _ in range(1000):
        async with engine.connect() as connection:
            if (await connection.execute(BACKENDS)).scalar_one() == backends:
                return
        await asyncio.sleep(0.01)
    raise AssertionError(f"there never were {backends} of them")


async def test_it_ends_what_it_does_and_then_its_connection(
    database_url: str, engine: AsyncEngine
) -> None:
    own = open_engine(database_url)
    asking = asyncio.create_task(line(own).row(SLEEP, {}))
    await wait_for(engine, 1)

    await own.dispose()

    assert (await asking).answer == 7
    await wait_for(engine, 0)


async def test_one_that_is_cancelled_ends_its_connection_too(
    database_url: str, engine: AsyncEngine
) -> None:
    own = open_engine(database_url)
    asking = asyncio.create_task(line(own).row(SLEEP, {}))
    await wait_for(engine, 1)

    await own.dispose()
    asking.cancel()

    await asyncio.gather(asking, return_exceptions=True)
    assert asking.cancelled()
    await wait_for(engine, 0)
