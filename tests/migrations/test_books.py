from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

PARTITIONS = """
    SELECT to_char(day, '"emag_api_calls_"YYYYMMDD'),
           pg_get_expr(relpartbound, pg_class.oid) = format(
               'FOR VALUES FROM (''%s 00:00:00+00'') TO (''%s 00:00:00+00'')', day, day + 1)
      FROM (SELECT (now() AT TIME ZONE 'UTC')::date + n AS day
              FROM generate_series(-1, {days}) AS n)
           AS days
      LEFT JOIN pg_class ON relname = to_char(day, '"emag_api_calls_"YYYYMMDD')
"""

RECORD = """
    INSERT INTO app.emag_api_calls (id, sent_at, order_ids)
    VALUES (gen_random_uuid(), clock_timestamp() + %s * interval '1 day', '{480000101}')
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        yield connection


def _days(connection: psycopg.Connection, days: int) -> int:
    """How many days from yesterday on have their partition, from midnight to midnight UTC."""
    rows = connection.execute(PARTITIONS.format(days=days).encode()).fetchall()
    return sum(bounds is True for _, bounds in rows)


def test_calls_can_be_recorded_for_two_weeks(connection: psycopg.Connection) -> None:
    assert _days(connection, 30) == 16
    connection.execute(RECORD, [0])
    connection.execute(RECORD, [13])


def test_a_clock_may_be_set_back_over_midnight(connection: psycopg.Connection) -> None:
    connection.execute(RECORD, [-1])


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
def test_more_days_are_prepared_whatever_the_sessions_zone(
    connection: psycopg.Connection, zone: str
) -> None:
    connection.execute(f"SET timezone = '{zone}'".encode())
    connection.execute("SELECT app.emag_prepare_calls(20)")
    connection.execute("SET timezone = 'UTC'")
    assert _days(connection, 30) == 22


def test_preparing_what_is_there_locks_nothing(
    database_url: str, connection: psycopg.Connection
) -> None:
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE app.emag_api_calls IN SHARE UPDATE EXCLUSIVE MODE")
        connection.execute("SET lock_timeout = '10ms'")
        connection.execute("SELECT app.emag_prepare_calls(14)")


def test_calls_are_recorded_while_partitions_are_made(
    database_url: str, connection: psycopg.Connection
) -> None:
    with psycopg.connect(database_url) as other:
        other.execute("SELECT app.emag_prepare_calls(20)")
        connection.execute("SET lock_timeout = '10ms'")
        connection.execute(RECORD, [0])
        connection.execute("SELECT count(*) FROM app.emag_api_calls")
        other.commit()
    connection.execute(RECORD, [19])


def test_every_partition_can_be_searched_by_order(connection: psycopg.Connection) -> None:
    connection.execute("SELECT app.emag_prepare_calls(20)")
    searched = connection.execute(
        "SELECT count(*) FROM pg_indexes WHERE tablename LIKE 'emag_api_calls_20%'"
        " AND indexdef LIKE '%gin (order_ids)%'"
    ).fetchone()
    assert searched == (22,)


def test_a_role_may_prepare_days_without_owning_the_table(connection: psycopg.Connection) -> None:
    connection.execute("SET ROLE pg_monitor")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT count(*) FROM app.emag_api_calls")
    connection.execute("RESET ROLE")
    connection.execute("GRANT USAGE ON SCHEMA app TO pg_monitor")
    connection.execute("SET ROLE pg_monitor")
    connection.execute("SELECT app.emag_prepare_calls(16)")
    connection.execute("RESET ROLE")
    assert _days(connection, 30) == 18
