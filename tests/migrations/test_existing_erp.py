from __future__ import annotations

from collections.abc import Sequence

import psycopg
import pytest

from migrations.run import upgrade
from tests.migrations.sessions import INDEX_BUILD_WAITS, LOCK_AWAITED, upgrading, wait_until

TABLES = (
    "alembic_version",
    "return_requests",
    "return_items",
    "refund_transactions",
    "cancellation_requests",
    "cancellation_items",
    "invoices",
    "invoice_items",
    "emag_return_integrations",
    "emag_cancellation_integrations",
    "emag_invoice_integrations",
    "emag_offer_syncs",
)

Rows = Sequence[tuple[object, ...]]


def _fetch(url: str, query: str) -> Rows:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def _columns(url: str) -> dict[str, Rows]:
    return {
        table: _fetch(
            url,
            "SELECT attname, atttypid::regtype::text, atttypmod FROM pg_attribute"
            f" WHERE attrelid = 'app.{table}'::regclass AND attnum > 0 ORDER BY attnum",
        )
        for table in TABLES
    }


def _contents(url: str, columns: dict[str, Rows]) -> dict[str, Rows]:
    return {
        table: _fetch(
            url, f"SELECT {', '.join(str(name) for name, *_ in there)} FROM app.{table} ORDER BY 1"
        )
        for table, there in columns.items()
    }


def _files(url: str) -> Rows:
    names = ", ".join(f"'{table}'" for table in TABLES)
    return _fetch(
        url,
        "SELECT relname, relfilenode FROM pg_class WHERE relnamespace = 'app'::regnamespace"
        f" AND relname IN ({names}) ORDER BY 1",
    )


def test_nothing_is_dropped_retyped_rewritten_or_changed(existing_url: str) -> None:
    columns, files = _columns(existing_url), _files(existing_url)
    contents = _contents(existing_url, columns)

    upgrade(existing_url)

    after = _columns(existing_url)
    assert {table: after[table][: len(there)] for table, there in columns.items()} == columns
    assert _files(existing_url) == files
    assert _contents(existing_url, columns) == contents


def test_only_nullable_columns_are_added_to_the_erps_tables(existing_url: str) -> None:
    before = _columns(existing_url)
    upgrade(existing_url)
    added = {
        (table, *column)
        for table, columns in _columns(existing_url).items()
        for column in columns[len(before[table]) :]
        if not table.startswith("emag_")
    }
    assert added == {("invoices", "emag_order_id", "character varying", 104)}


@pytest.mark.parametrize(
    ("table", "live"),
    [
        ("emag_return_integrations", [(3, 1), (4, 2)]),
        ("emag_cancellation_integrations", [(1, 2)]),
        ("emag_invoice_integrations", [(2, 3)]),
    ],
)
def test_of_several_rows_for_one_erp_row_the_newest_stays_live(
    existing_url: str, table: str, live: Rows
) -> None:
    upgrade(existing_url)
    key = _columns(existing_url)[table][1][0]
    found = _fetch(
        existing_url, f"SELECT id, {key} FROM app.{table} WHERE NOT superseded ORDER BY 1"
    )
    assert found == live


def test_many_superseded_rows_are_marked_in_several_transactions(existing_url: str) -> None:
    with psycopg.connect(existing_url) as connection:
        connection.execute(
            "INSERT INTO app.emag_return_integrations (return_request_id, emag_return_id,"
            " emag_status, sync_attempts, account_type, created_at, updated_at)"
            " SELECT 3, '7', 'NEW', 0, 'main', now(), now() FROM generate_series(1, 2500)"
        )
    upgrade(existing_url)
    marked = _fetch(
        existing_url,
        "SELECT count(*), count(DISTINCT xmin::text), count(*) FILTER (WHERE superseded)"
        " FROM app.emag_return_integrations WHERE return_request_id = 3",
    )
    assert marked == [(2500, 4, 2499)]


def test_our_books_hold_no_key_of_the_erps_tables(existing_url: str) -> None:
    upgrade(existing_url)
    keys = _fetch(
        existing_url,
        "SELECT conrelid::regclass::text FROM pg_constraint"
        " WHERE contype = 'f' AND connamespace = 'app'::regnamespace ORDER BY 1",
    )
    assert keys == [
        ("app.cancellation_items",),
        ("app.invoice_items",),
        ("app.refund_transactions",),
        ("app.return_items",),
    ]


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("emag_return_integrations", "return_request_id"),
        ("emag_cancellation_integrations", "cancellation_request_id"),
        ("emag_invoice_integrations", "invoice_id"),
    ],
)
@pytest.mark.parametrize("fixture", ["database_url", "existing_url"])
def test_the_same_insert_queues_a_row_on_both(
    request: pytest.FixtureRequest, fixture: str, table: str, key: str
) -> None:
    url: str = request.getfixturevalue(fixture)
    upgrade(url)
    with psycopg.connect(url) as connection:
        live = connection.execute(
            f"INSERT INTO app.{table} ({key}, sync_state) VALUES (77, 'pending')"
            " RETURNING superseded, sync_attempts, created_at IS NOT NULL".encode()
        ).fetchone()
    assert live == (False, 0, True)


def test_the_erp_may_go_on_writing_integration_rows_of_its_own(existing_url: str) -> None:
    upgrade(existing_url)
    with psycopg.connect(existing_url) as connection:
        inserted = connection.execute(
            "INSERT INTO app.emag_return_integrations (return_request_id, emag_return_id,"
            " emag_status, sync_attempts, account_type, created_at, updated_at)"
            " VALUES (1, '7001', 'APPROVED', 0, 'main', now(), now()),"
            " (3, '7003', 'NEW', 0, 'main', now(), now()) RETURNING superseded"
        ).fetchall()
    assert inserted == [(True,), (True,)]


def test_an_open_read_is_not_queued_behind(existing_url: str) -> None:
    with psycopg.connect(existing_url) as erp, upgrading(existing_url) as outcome:
        erp.execute("SELECT FROM app.invoices")
        wait_until(existing_url, LOCK_AWAITED.format(table="invoices"))
        with psycopg.connect(existing_url, autocommit=True) as other:
            other.execute("SET statement_timeout = '3s'")
            for _ in range(50):
                other.execute("SELECT count(*) FROM app.invoices")
                other.execute("UPDATE app.invoices SET notes = 'paid' WHERE id = 2")
        assert not outcome.done()
        erp.rollback()
        outcome.result()
    assert ("emag_order_id",) in [column[:1] for column in _columns(existing_url)["invoices"]]


def test_an_open_write_is_not_queued_behind(existing_url: str) -> None:
    with psycopg.connect(existing_url) as erp, upgrading(existing_url) as outcome:
        erp.execute("UPDATE app.return_requests SET customer_name = 'Ion' WHERE id = 1")
        wait_until(existing_url, LOCK_AWAITED.format(table="return_requests"))
        with psycopg.connect(existing_url, autocommit=True) as other:
            other.execute("SET statement_timeout = '3s'")
            for _ in range(50):
                other.execute("UPDATE app.return_requests SET customer_name = 'Eva' WHERE id = 2")
        assert not outcome.done()
        erp.commit()
        outcome.result()


def test_an_old_snapshot_delays_only_the_index_build(existing_url: str) -> None:
    with psycopg.connect(existing_url) as erp, upgrading(existing_url) as outcome:
        erp.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        erp.execute("SELECT 1")
        wait_until(existing_url, INDEX_BUILD_WAITS)
        with psycopg.connect(existing_url, autocommit=True) as other:
            other.execute("SET lock_timeout = '100ms'")
            other.execute("UPDATE app.emag_return_integrations SET sync_attempts = 9 WHERE id = 3")
            other.execute("DELETE FROM app.emag_return_integrations WHERE id = 4")
        assert not outcome.done()
        erp.rollback()
        outcome.result()
    assert ("app.emag_return_integrations_live_idx",) in _fetch(
        existing_url, "SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid"
    )


PARTITIONED = """
    CREATE SCHEMA app;
    CREATE TABLE app.return_requests (
        id integer NOT NULL, emag_order_id text, status text, account_type text,
        created_at timestamp NOT NULL, PRIMARY KEY (id, created_at)
    ) PARTITION BY RANGE (created_at);
    CREATE TABLE app.returns_2025 PARTITION OF app.return_requests
        FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE app.returns_2026 PARTITION OF app.return_requests
        FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
"""


def test_partitioned_tables_are_completed_and_captured(bare_database_url: str) -> None:
    with psycopg.connect(bare_database_url, autocommit=True) as connection:
        connection.execute(PARTITIONED.encode())
        upgrade(bare_database_url)
        connection.execute(
            "INSERT INTO app.returns_2026 (id, status, created_at) VALUES (5, 'x', '2026-02-01')"
        )
        connection.execute("UPDATE app.return_requests SET emag_return_id = '7' WHERE id = 5")
        connection.execute("UPDATE app.return_requests SET created_at = '2025-02-01' WHERE id = 5")
        changes = connection.execute("SELECT DISTINCT kind, row_id FROM app.emag_changes")
        assert changes.fetchall() == [("rma", 5)]


def test_whoever_may_add_a_partition_still_can(bare_database_url: str) -> None:
    with psycopg.connect(bare_database_url, autocommit=True) as connection:
        connection.execute(PARTITIONED.encode())
        connection.execute("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
        upgrade(bare_database_url)
        connection.execute("DROP ROLE IF EXISTS emag_partitioner")
        connection.execute("CREATE ROLE emag_partitioner")
        try:
            connection.execute("GRANT USAGE, CREATE ON SCHEMA app TO emag_partitioner")
            connection.execute("ALTER TABLE app.return_requests OWNER TO emag_partitioner")
            connection.execute("SET ROLE emag_partitioner")
            connection.execute(
                "CREATE TABLE app.returns_2027 PARTITION OF app.return_requests"
                " FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')"
            )
            connection.execute(
                "INSERT INTO app.returns_2027 (id, created_at) VALUES (8, '2027-02-01')"
            )
            connection.execute("RESET ROLE")
            changes = connection.execute("SELECT kind, row_id FROM app.emag_changes")
            assert changes.fetchall() == [("rma", 8)]
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP OWNED BY emag_partitioner")
            connection.execute("DROP ROLE emag_partitioner")


NO_TABLES = """
    ALTER TABLE app.invoices RENAME TO all_invoices;
    CREATE VIEW app.invoices AS SELECT * FROM app.all_invoices;
    DROP TABLE app.return_items;
    CREATE FOREIGN DATA WRAPPER nowhere;
    CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
    CREATE FOREIGN TABLE app.return_items (id integer, return_request_id integer) SERVER nowhere;
"""


def test_what_carries_no_trigger_is_left_alone(existing_url: str) -> None:
    with psycopg.connect(existing_url, autocommit=True) as connection:
        connection.execute(NO_TABLES.encode())
    before = _columns(existing_url)

    upgrade(existing_url)

    after = _columns(existing_url)
    assert [after[name] for name in ("invoices", "return_items")] == [
        before[name] for name in ("invoices", "return_items")
    ]
    with psycopg.connect(existing_url, autocommit=True) as connection:
        connection.execute("UPDATE app.return_requests SET status = 'COMPLETED' WHERE id = 1")
        assert connection.execute("SELECT kind, row_id FROM app.emag_changes").fetchall() == [
            ("rma", 1)
        ]
