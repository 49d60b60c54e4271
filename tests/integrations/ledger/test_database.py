"""The pool of connections to the seller's database."""

from __future__ import annotations

import psycopg
from sqlalchemy import text

from integrations.ledger.database import open_engine

PID = text("SELECT pg_backend_pid()")


async def test_a_connection_that_the_server_ended_while_nobody_used_it_is_made_anew(
    database_url: str,
) -> None:
    engine = open_engine(database_url)
    async with engine.connect() as connection:
        before = await connection.scalar(PID)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [before])

    async with engine.connect() as connection:
        after = await connection.scalar(PID)
    await engine.dispose()

    assert before != after
