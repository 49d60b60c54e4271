"""Cursors of before the revision, which name no platform: whose they become."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from migrations.run import upgrade
from tests.migrations.test_sql import _run

BEFORE = """
    DROP TABLE app.emag_platform_cursors;
    UPDATE app.emag_alembic_version SET version_num = '0006';
    INSERT INTO app.emag_cursors (account, resource, position, detail) VALUES
        ('main', 'orders:3', now() - interval '1 minute', '{"cap": 7}'),
        ('main', 'returns:3', now() - interval '3 days', NULL),
        ('main', 'customer-invoice', now() - interval '1 minute', NULL),
        ('main', 'profile', now() - interval '1 minute', '{"page_cap": 7}'),
        ('main', 'cancellations-asked', NULL, '{"rows": [1]}'),
        ('', 'sweep', now(), '{"before": {}}');
"""
HOURS = """
    SELECT platform, resource, round(extract(epoch FROM now() - position) / 3600)::integer, detail
      FROM app.emag_platform_cursors WHERE account = 'main' ORDER BY 1, 2
"""
KEPT = [
    ("customer-invoice", 0, None),
    ("orders:3", 0, {"cap": 7}),
    ("profile", 0, {"page_cap": 7}),
    ("returns:3", 72, None),
]
BEGUN_ANEW = [("orders:3", 24, None), ("returns:3", 72, None)]


@pytest.fixture
def before(database_url: str) -> Iterator[psycopg.Connection]:
    """A database of the revision before, with cursors."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(BEFORE.encode())
        yield connection


def asked(connection: psycopg.Connection, *platforms: str) -> None:
    """Requests were made to these platforms."""
    for platform in platforms:
        connection.execute(
            "INSERT INTO app.emag_rate_limits (platform, login, bucket) VALUES (%s, 'me', 'other')",
            [platform],
        )


def called(connection: psycopg.Connection, platform: str, account: str = "main") -> None:
    """A call of an account's is on record."""
    connection.execute(
        "INSERT INTO app.emag_api_calls (id, sent_at, platform, account)"
        " VALUES (gen_random_uuid(), now(), %s, %s)",
        [platform, account],
    )


def mirrored(connection: psycopg.Connection, platform: str) -> None:
    """An order of the account's is known, though no call is on record any more."""
    connection.execute(
        "INSERT INTO app.emag_orders (platform, account, order_id, type, status, digest, read_at,"
        " changed_at) VALUES (%s, 'main', 1, 3, 2, '', now(), now())",
        [platform],
    )


def found(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute(HOURS.encode()).fetchall()


def at(platform: str, cursors: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [(platform, *each) for each in cursors]


def test_they_are_of_the_only_platform_that_was_ever_asked(
    database_url: str, before: psycopg.Connection
) -> None:
    asked(before, "emag-ro")
    upgrade(database_url)
    assert found(before) == at("emag-ro", KEPT)


def test_they_are_of_the_only_platform_that_the_account_was_at(
    database_url: str, before: psycopg.Connection
) -> None:
    asked(before, "emag-ro", "emag-bg")
    called(before, "emag-ro")
    called(before, "emag-bg", account="bulgaria")
    upgrade(database_url)
    assert found(before) == at("emag-ro", KEPT)


def test_where_it_was_at_several_nothing_is_taken_for_stored(
    database_url: str, before: psycopg.Connection
) -> None:
    asked(before, "emag-ro", "sandbox-8099")
    mirrored(before, "sandbox-8099")
    called(before, "emag-ro")
    upgrade(database_url)
    assert found(before) == [*at("emag-ro", BEGUN_ANEW), *at("sandbox-8099", BEGUN_ANEW)]


def test_where_doctor_saw_filters_ignored_nothing_is_asked_of_any(
    database_url: str, before: psycopg.Connection
) -> None:
    asked(before, "emag-ro", "emag-bg")
    called(before, "emag-ro")
    called(before, "emag-bg")
    seen = {"page_cap": 7, "top_level_filters": False}
    before.execute(
        "UPDATE app.emag_cursors SET detail = %s WHERE resource = 'profile'", [Jsonb(seen)]
    )
    upgrade(database_url)
    kept = [(platform, detail) for platform, name, _, detail in found(before) if name == "profile"]
    assert kept == [("emag-bg", seen), ("emag-ro", seen)]


def test_the_version_before_finds_its_own_as_they_were(
    database_url: str, before: psycopg.Connection
) -> None:
    cursors = "SELECT * FROM app.emag_cursors ORDER BY account, resource"
    stood = before.execute(cursors).fetchall()
    asked(before, "emag-ro")
    upgrade(database_url)
    assert before.execute(cursors).fetchall() == stood


def test_they_are_copied_once(
    database_url: str, before: psycopg.Connection, psql: str, script: Path
) -> None:
    asked(before, "emag-ro")
    upgrade(database_url)
    before.execute("DELETE FROM app.emag_platform_cursors WHERE resource <> 'profile'")
    upgrade(database_url)
    _run(psql, database_url, script)
    assert [resource for _, resource, _, _ in found(before)] == ["profile"]


def test_who_may_work_with_them_still_may(database_url: str, before: psycopg.Connection) -> None:
    before.execute("GRANT SELECT, INSERT ON app.emag_cursors TO pg_monitor")
    upgrade(database_url)
    rights = before.execute(
        "SELECT array_agg(privilege_type::text ORDER BY 1) FROM information_schema.table_privileges"
        " WHERE table_name = 'emag_platform_cursors' AND grantee = 'pg_monitor'"
    ).fetchone()
    assert rights == (["INSERT", "SELECT"],)
