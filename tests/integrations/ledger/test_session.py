"""Our sessions speak alike, whatever the database's own settings and encoding are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from integrations.ledger.database import autocommit, rolled_back
from integrations.ledger.engine import Engine
from integrations.ledger.line import Line
from integrations.ledger.session import EncodingError, connect, connect_blocking
from integrations.ledger.uncommitted import uncommitted
from tests.unusual import encoded, set_for_all

NAME = "Țîță 🥔, ½ kg"
MOMENT = datetime(2026, 11, 28, 21, 30, tzinfo=UTC)

SETTINGS = [
    ("DateStyle", "SQL, DMY"),
    ("DateStyle", "German"),
    ("DateStyle", "Postgres, MDY"),
    ("standard_conforming_strings", "off"),
    ("client_encoding", "LATIN2"),
    ("client_encoding", "SQL_ASCII"),
    ("bytea_output", "escape"),
    ("extra_float_digits", "-2"),
]
EVERY = pytest.mark.parametrize(("name", "value"), SETTINGS)

QUESTION = (
    "SELECT timestamptz '2026-11-28 21:30+00' AS at,"
    r" '\d' AS pattern, '\xc8ff'::bytea AS bytes, 1234.56::float8 AS money, 'Țîță 🥔' AS name"
)
ANSWER = (MOMENT, r"\d", b"\xc8\xff", 1234.56, "Țîță 🥔")


@EVERY
async def test_each_of_our_connections_reads_and_writes_the_same(
    database_url: str, name: str, value: str
) -> None:
    set_for_all(database_url, name, value)
    engine = Engine(database_url)
    try:
        async with autocommit(engine) as pooled:
            assert (await pooled.execute(QUESTION)).rows == [ANSWER]
        assert tuple(await Line(engine).row(QUESTION, {})) == ANSWER
        with uncommitted(engine) as dry:
            async with rolled_back(dry) as connection:
                assert (await connection.execute(QUESTION)).rows == [ANSWER]
    finally:
        engine.close()
    async with await connect(database_url) as single:
        assert await (await single.execute(QUESTION.encode())).fetchone() == ANSWER
    with connect_blocking(database_url) as blocking:
        assert blocking.execute(QUESTION.encode()).fetchone() == ANSWER


async def test_nothing_is_set_where_all_is_well(database_url: str) -> None:
    async with await connect(database_url, autocommit=True) as connection:
        found = await connection.execute(
            "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        )
        assert (await found.fetchone() or ("",))[0].startswith("SELECT query")


class TestADatabaseInAnOlderEncoding:
    @pytest.mark.parametrize(
        ("encoding", "held"),
        [
            ("UTF8", "Țîță 🥔, ½ kg"),
            ("LATIN2", "Tîtă ?, ? kg"),
            ("WIN1250", "Tîtă ?, ? kg"),
            ("LATIN10", "Țîță ?, ? kg"),
            ("LATIN1", "Tîta ?, ½ kg"),
        ],
    )
    async def test_what_it_lacks_is_written_as_near_as_may_be(
        self, postgres: str, encoding: str, held: str
    ) -> None:
        with encoded(postgres, encoding) as url:
            async with await connect(url) as connection:
                found = await connection.execute("SELECT %s, (%s::text[])[1]", [NAME, [NAME]])
                assert await found.fetchone() == (held, held)

    async def test_one_that_has_none_is_refused(self, postgres: str) -> None:
        with encoded(postgres, "SQL_ASCII") as url:
            with pytest.raises(EncodingError, match=r"encoding is SQL_ASCII.*--encoding=UTF8"):
                await connect(url)
            with pytest.raises(EncodingError):
                connect_blocking(url)
