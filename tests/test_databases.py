"""A database that a test is lent is as a new one, whatever the test before did to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from sqlalchemy import make_url

from integrations.ledger.database import autocommit, transaction
from integrations.ledger.session import connect_blocking
from tests.databases import WarmEngine, kept_database

ADD = "INSERT INTO app.cancellation_requests (emag_order_id, account_type) VALUES ('7', 'main')"

# What no other test shares: these databases are kept apart by it.
ALONE = "SELECT 'these tests'"

TABLES = """
    SELECT relname FROM pg_class
     WHERE relnamespace = 'app'::regnamespace AND relkind = 'r' AND relname NOT LIKE '%version'
"""


@contextmanager
def lent(postgres: str, template: str) -> Iterator[str]:
    with kept_database(postgres, template, further=ALONE) as url:
        yield url


def run(url: str, *statements: str) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def rows(url: str) -> list[str]:
    """The tables of ours and of the ERP's that hold anything."""
    with closing(psycopg.connect(url)) as connection:
        tables = [name for (name,) in connection.execute(TABLES).fetchall()]
        assert len(tables) > 30
        return [each for each in tables if connection.execute(f"TABLE app.{each}").fetchone()]


def test_one_that_only_got_rows_is_lent_again_and_holds_none(postgres: str, template: str) -> None:
    with lent(postgres, template) as first:
        run(first, ADD, ADD)
        assert rows(first) == ["cancellation_requests", "emag_changes"]
    with lent(postgres, template) as second:
        assert second == first
        assert rows(second) == []
        with closing(psycopg.connect(second)) as connection:
            assert connection.execute(f"{ADD} RETURNING id".encode()).fetchone() == (1,)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE app.cancellation_requests DISABLE TRIGGER USER",
        "DROP TABLE app.emag_alarms",
        "CREATE TABLE public.of_the_erp (id int)",
        "ALTER DATABASE {} SET jit = off",
        "ALTER DATABASE {} CONNECTION LIMIT 50",
        "UPDATE app.emag_alembic_version SET version_num = '0001'",
        "GRANT SELECT ON app.emag_orders TO PUBLIC",
        "ALTER FUNCTION app.emag_prepare_calls SECURITY INVOKER",
        f"{ADD[: ADD.index('VALUES')]} SELECT n::text, 'main' FROM generate_series(1, 20000) n",
    ],
)
def test_one_that_was_changed_otherwise_is_lent_to_nobody(
    postgres: str, template: str, change: str
) -> None:
    with lent(postgres, template) as first:
        run(first, change.format(make_url(first).database))
    with lent(postgres, template) as second:
        assert second != first
        assert rows(second) == []
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(first)


def test_a_change_that_was_taken_back_is_none(postgres: str, template: str) -> None:
    with lent(postgres, template) as first, closing(psycopg.connect(first)) as connection:
        connection.execute("DROP TABLE app.emag_alarms")
        connection.rollback()
    with lent(postgres, template) as second:
        assert second == first


def test_whoever_is_still_connected_is_sent_away(postgres: str, template: str) -> None:
    with lent(postgres, template) as first:
        late = connect_blocking(first)
        late.execute(ADD)
    with closing(late), lent(postgres, template) as second:
        assert second == first
        with pytest.raises(psycopg.OperationalError):
            late.commit()
        assert rows(second) == []


async def test_connections_are_handed_on_as_new_ones(postgres: str, template: str) -> None:
    with lent(postgres, template) as url:
        first = WarmEngine(url)
        async with autocommit(first) as connection:
            pid = (await connection.execute("SELECT pg_backend_pid()")).scalar_one()
            await connection.execute("SET search_path = nowhere")
            await connection.execute("SELECT pg_advisory_lock(7)")
        first.close()
    with lent(postgres, template) as url:
        second = WarmEngine(url)
        async with transaction(second) as connection:
            assert (await connection.execute("SELECT pg_backend_pid()")).scalar_one() == pid
            path = await connection.execute("SHOW search_path")
            assert path.scalar_one() == '"$user", public'
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = :pid"
            assert (await connection.execute(held, {"pid": pid})).scalar_one() == 0
        second.close()
