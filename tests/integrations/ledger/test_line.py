"""A kept connection beside the pool, when its engine is disposed of while a statement runs."""

from __future__ import annotations

import asyncio

from integrations.ledger.database import rolled_back
from integrations.ledger.engine import Engine
from integrations.ledger.line import line

SLEEP = "SELECT pg_sleep(0.5), 7 AS answer /* on the line */"
BACKENDS = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND query LIKE '%on the line%'
       AND pid <> pg_backend_pid()
"""


async def wait_for(engine: Engine, backends: int) -> None:
    """Until so many connections have run the statement."""
    for _ in range(1000):
        async with rolled_back(engine) as connection:
            if (await connection.execute(BACKENDS)).scalar_one() == backends:
                return
        await asyncio.sleep(0.01)
    raise AssertionError(f"there never were {backends} of them")


async def test_it_ends_what_it_does_and_then_its_connection(
    database_url: str, engine: Engine
) -> None:
    own = Engine(database_url)
    asking = asyncio.create_task(line(own).row(SLEEP, {}))
    await wait_for(engine, 1)

    own.close()

    assert (await asking).answer == 7
    await wait_for(engine, 0)


async def test_one_that_is_cancelled_ends_its_connection_too(
    database_url: str, engine: Engine
) -> None:
    own = Engine(database_url)
    asking = asyncio.create_task(line(own).row(SLEEP, {}))
    await wait_for(engine, 1)

    own.close()
    asking.cancel()

    await asyncio.gather(asking, return_exceptions=True)
    assert asking.cancelled()
    await wait_for(engine, 0)
