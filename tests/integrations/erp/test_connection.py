"""Statements with names for their values, executed by the driver."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest

from integrations.erp.connection import Answer, Connection, named, numbered
from integrations.ledger.database import rolled_back
from integrations.ledger.engine import Engine


@pytest.fixture
async def connection(engine: Engine) -> AsyncIterator[Connection]:
    async with rolled_back(engine) as connection:
        yield connection


def test_each_name_has_one_number_however_often_it_stands_in_the_statement() -> None:
    statement = "SELECT :b, CAST(:a AS int), (:b), :a::text"
    assert numbered(statement) == ("SELECT $1, CAST($2 AS int), ($1), $2::text", ("b", "a"))
    assert named(statement) == "SELECT %(b)s, CAST(%(a)s AS int), (%(b)s), %(a)s::text"


@pytest.mark.parametrize("text", ["x::text", "f(x)::text", "'it''s :a'", '":a"', "y[1:2]", "7:a"])
def test_what_is_no_name_stays_as_it_is(text: str) -> None:
    assert numbered(f"SELECT {text}, 7 % 2, :b") == (f"SELECT {text}, 7 % 2, $1", ("b",))
    assert named(f"SELECT {text}, 7 % 2, :b") == f"SELECT {text}, 7 %% 2, %(b)s"


async def test_values_go_by_name_and_rows_come_by_name(connection: Connection) -> None:
    statement = "SELECT CAST(:b AS text) || CAST(:a AS text) AS both, CAST(:b AS text) AS b"
    row = (await connection.execute(statement, {"a": "%s $1", "b": ":a ", "unused": 1})).one()
    assert (row.both, row.b, row._asdict()["b"]) == (":a %s $1", ":a ", ":a ")


async def test_a_statement_without_values_is_taken_as_it_stands(connection: Connection) -> None:
    query = "SELECT '100%' LIKE '100\\%' AS percent, 7 % 4 AS rest"
    assert tuple((await connection.execute(query)).one()) == (True, 3)


async def test_a_row_without_columns_is_one_all_the_same(connection: Connection) -> None:
    assert (await connection.execute("SELECT FROM generate_series(1, 2)")).rows == [(), ()]
    assert (await connection.execute("SELECT")).first() is not None


async def test_a_value_that_is_missing_is_named(connection: Connection) -> None:
    with pytest.raises(KeyError, match="b"):
        await connection.execute("SELECT :a, :b", {"a": 1})


async def test_what_changes_rows_says_how_many(connection: Connection) -> None:
    made = await connection.execute("CREATE TEMPORARY TABLE counted (n int)")
    written = await connection.execute("INSERT INTO counted VALUES (1), (2)")
    assert (made.rows, written.rows, written.rowcount) == ((), (), 2)
    assert [row.n for row in await connection.execute("TABLE counted")] == [1, 2]


async def test_what_fails_within_a_savepoint_alone_is_undone(connection: Connection) -> None:
    await connection.execute("CREATE TEMPORARY TABLE counted (n int)")
    async with connection.savepoint():
        await connection.execute("INSERT INTO counted VALUES (1)")

    async def failing() -> None:
        async with connection.savepoint():
            await connection.execute("INSERT INTO counted VALUES (2)")
            await connection.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        await failing()
    assert (await connection.execute("TABLE counted")).scalars() == [1]


def test_one_row_is_one_row() -> None:
    assert (Answer([(7,)], 1).one(), Answer([(7,)], 1).scalar_one()) == ((7,), 7)
    assert (Answer([], 0).first(), Answer([], 0).scalar_one_or_none()) == (None, None)
    for rows in ([], [(1,), (2,)]):
        with pytest.raises(LookupError, match=f"{len(rows)} came"):
            Answer(rows, len(rows)).one()
    with pytest.raises(LookupError):
        Answer([(1,), (2,)], 2).scalar_one_or_none()
