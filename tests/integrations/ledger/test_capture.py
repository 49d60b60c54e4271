"""What the triggers note, and that they never make the ERP fail, wait or deadlock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from psycopg import IsolationLevel, sql

from migrations.capture import CAPTURED, Captured
from migrations.run import upgrade
from tests.migrations import existing_erp

Changes = list[tuple[str, int | None]]

# Two rows of each kind, with an item each.
ROWS = """
    INSERT INTO app.return_requests (emag_order_id) VALUES ('480000101'), ('480000102');
    INSERT INTO app.return_items (return_request_id) VALUES (1), (2);
    INSERT INTO app.cancellation_requests (emag_order_id) VALUES ('480000101'), ('480000102');
    INSERT INTO app.cancellation_items (cancellation_request_id) VALUES (1), (2);
    INSERT INTO app.invoices (emag_order_id) VALUES ('480000101'), ('480000102');
"""

CONSUME = """
    DELETE FROM app.emag_changes
     WHERE id IN (SELECT id FROM app.emag_changes ORDER BY id FOR UPDATE SKIP LOCKED)
 RETURNING kind, row_id
"""

BY_TABLE = {captured.table: captured for captured in CAPTURED}
PARENTS = [captured for captured in CAPTURED if captured.key == "id"]
ITEMS = [captured for captured in CAPTURED if captured.key != "id"]


@pytest.fixture
def fresh_url(database_url: str) -> str:
    """A database of our making with a few rows, none of them changed since."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(ROWS.encode())
        connection.execute("DELETE FROM app.emag_changes")
    return database_url


@pytest.fixture
def existing_url(bare_database_url: str) -> str:
    """A migrated database of an ERP that was there first."""
    existing_erp.install(bare_database_url)
    upgrade(bare_database_url)
    return bare_database_url


@pytest.fixture(params=["fresh_url", "existing_url"])
def erp_url(request: pytest.FixtureRequest) -> str:
    """Both kinds of ERP, one after the other."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def erp(erp_url: str) -> Iterator[psycopg.Connection]:
    """The ERP's session, in autocommit; a lock that isn't free at once is an error."""
    with _session(erp_url) as connection:
        yield connection


@pytest.fixture
def fresh(fresh_url: str) -> Iterator[psycopg.Connection]:
    """The same on a database of our making."""
    with _session(fresh_url) as connection:
        yield connection


@pytest.fixture
def existing(existing_url: str) -> Iterator[psycopg.Connection]:
    """The same on an ERP that was there first."""
    with _session(existing_url) as connection:
        yield connection


@contextmanager
def _session(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '50ms'")
        yield connection


def _take(connection: psycopg.Connection) -> Changes:
    """The changes so far, in no order that counts; they are gone afterwards."""
    return sorted(connection.execute(CONSUME).fetchall(), key=str)


def _run(connection: psycopg.Connection, statement: str) -> Changes:
    connection.execute(statement.encode())
    return _take(connection)


# What is noted


@pytest.mark.parametrize(
    ("captured", "column"),
    [(captured, column) for captured in CAPTURED for column in captured.columns],
    ids=lambda each: each.table if isinstance(each, Captured) else each,
)
def test_a_column_that_matters_is_noted(
    fresh: psycopg.Connection, captured: Captured, column: str
) -> None:
    update = f"UPDATE app.{captured.table} SET {column} = '7' WHERE id = 2"
    assert _run(fresh, update) == [(captured.kind, 2)]
    assert _run(fresh, update) == []
    assert _run(fresh, f"UPDATE app.{captured.table} SET {column} = '8' WHERE id = 2") == [
        (captured.kind, 2)
    ]


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("return_requests", "internal_notes = 'x', customer_name = 'y', emag_status = 'NEW'"),
        ("return_items", "product_name = 'x', unit_price = 3, updated_at = now()"),
        ("cancellation_requests", "refund_amount = 3, emag_cancellation_id = '9'"),
        ("cancellation_items", "stock_to_restore = 1"),
        ("invoices", "paid_amount = 3, emag_invoice_id = '9', updated_at = now()"),
        ("invoice_items", "quantity = 3"),
    ],
)
def test_another_column_is_not(erp: psycopg.Connection, table: str, change: str) -> None:
    assert _run(erp, f"UPDATE app.{table} SET {change}") == []


@pytest.mark.parametrize("captured", PARENTS, ids=lambda each: each.table)
def test_a_row_that_comes_or_goes_is_noted(fresh: psycopg.Connection, captured: Captured) -> None:
    assert _run(fresh, f"INSERT INTO app.{captured.table} DEFAULT VALUES") == [(captured.kind, 3)]
    assert _run(fresh, f"DELETE FROM app.{captured.table} WHERE id = 3") == [(captured.kind, 3)]


@pytest.mark.parametrize("captured", ITEMS, ids=lambda each: each.table)
def test_an_item_notes_its_parent(fresh: psycopg.Connection, captured: Captured) -> None:
    table, key, kind = f"app.{captured.table}", captured.key, captured.kind
    assert _run(fresh, f"INSERT INTO {table} ({key}) VALUES (2)") == [(kind, 2)]
    assert _run(fresh, f"UPDATE {table} SET {key} = 1 WHERE id = 3") == [(kind, 1), (kind, 2)]
    assert _run(fresh, f"DELETE FROM {table} WHERE id = 3") == [(kind, 1)]


def test_a_row_that_gets_another_id_is_noted_under_both(fresh: psycopg.Connection) -> None:
    assert _run(fresh, "UPDATE app.invoices SET id = 9 WHERE id = 1") == [
        ("invoice", 1),
        ("invoice", 9),
    ]


@pytest.mark.parametrize("captured", CAPTURED, ids=lambda each: each.table)
def test_truncate_is_noted_without_a_row(erp: psycopg.Connection, captured: Captured) -> None:
    assert (captured.kind, None) in _run(erp, f"TRUNCATE app.{captured.table} CASCADE")


def test_copy_is_noted(fresh: psycopg.Connection) -> None:
    with fresh.cursor().copy("COPY app.invoices (id, status) FROM STDIN") as copy:
        for number in range(100, 110):
            copy.write_row((number, "issued"))
    with fresh.cursor().copy("COPY app.return_items (return_request_id) FROM STDIN") as copy:
        copy.write_row((2,))
    assert set(_take(fresh)) == {("rma", 2), *(("invoice", number) for number in range(100, 110))}


def test_an_upsert_is_noted_once_by_what_it_did(fresh: psycopg.Connection) -> None:
    upsert = (
        "INSERT INTO app.invoices (id, status) VALUES (2, '{}')"
        " ON CONFLICT (id) DO UPDATE SET status = excluded.status"
    )
    assert _run(fresh, upsert.format("issued")) == [("invoice", 2)]
    assert _run(fresh, upsert.format("issued")) == []


def test_what_the_erps_own_triggers_change_is_noted(fresh: psycopg.Connection) -> None:
    fresh.execute("""
        CREATE FUNCTION app.approve() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.status := ''approved''; RETURN NEW; END';
        CREATE TRIGGER approve BEFORE UPDATE ON app.return_requests
            FOR EACH ROW EXECUTE FUNCTION app.approve();
        CREATE FUNCTION app.follow() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN UPDATE app.invoices SET status = ''paid'' WHERE id = NEW.id; RETURN NULL; END';
        CREATE TRIGGER follow AFTER UPDATE ON app.cancellation_requests
            FOR EACH ROW EXECUTE FUNCTION app.follow();
    """)
    assert _run(fresh, "UPDATE app.return_requests SET customer_name = 'x' WHERE id = 1") == [
        ("rma", 1)
    ]
    assert _run(fresh, "UPDATE app.cancellation_requests SET currency = 'EUR' WHERE id = 2") == [
        ("invoice", 2)
    ]


def test_a_change_tells_its_transaction_and_time(fresh: psycopg.Connection) -> None:
    with fresh.transaction():
        fresh.execute("UPDATE app.invoices SET status = 'issued' WHERE id = 1")
        noted = fresh.execute(
            "SELECT txid = pg_current_xact_id(), at BETWEEN now() AND clock_timestamp(), seen_at"
            " FROM app.emag_changes"
        ).fetchall()
    assert noted == [(True, True, None)]


def test_what_was_rolled_back_is_not_noted(fresh: psycopg.Connection) -> None:
    with fresh.transaction(force_rollback=True):
        fresh.execute("UPDATE app.invoices SET status = 'issued'")
    assert _take(fresh) == []


# Our own write-back


def test_our_write_back_is_not_noted(erp: psycopg.Connection) -> None:
    with erp.transaction():
        erp.execute("SET LOCAL emag.writing_back = 'on'")
        erp.execute("UPDATE app.return_requests SET emag_return_id = '7' WHERE id = 2")
    assert _take(erp) == []
    assert _run(erp, "UPDATE app.return_requests SET emag_return_id = '8' WHERE id = 2") == [
        ("rma", 2)
    ]


def test_what_the_erp_changes_besides_our_write_back_is_noted(fresh: psycopg.Connection) -> None:
    fresh.execute("""
        CREATE FUNCTION app.progress() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.status := ''processing''; RETURN NEW; END';
        CREATE TRIGGER progress BEFORE UPDATE ON app.return_requests
            FOR EACH ROW EXECUTE FUNCTION app.progress();
    """)
    with fresh.transaction():
        fresh.execute("SET LOCAL emag.writing_back = 'on'")
        fresh.execute("UPDATE app.return_requests SET emag_return_id = '7' WHERE id = 2")
    assert _take(fresh) == [("rma", 2)]


# Roles and sessions


@contextmanager
def _as_clerk(connection: psycopg.Connection) -> Iterator[None]:
    """Act as a role that may change the ERP's tables and nothing else."""
    role = sql.Identifier(f"clerk_{uuid4().hex}")
    tables = sql.SQL(", ").join(sql.Identifier("app", each.table) for each in CAPTURED)
    connection.execute(sql.SQL("CREATE ROLE {}").format(role))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA app TO {}").format(role))
    connection.execute(
        sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {} TO {}").format(tables, role)
    )
    connection.execute(sql.SQL("SET ROLE {}").format(role))
    try:
        yield
    finally:
        connection.execute("RESET ROLE")
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_role_without_rights_on_our_tables_is_served(erp: psycopg.Connection) -> None:
    with _as_clerk(erp):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            erp.execute("INSERT INTO app.emag_changes (kind) VALUES ('rma')")
        erp.execute("UPDATE app.return_requests SET emag_order_id = '9' WHERE id = 2")
        erp.execute("DELETE FROM app.cancellation_items")
        erp.execute("TRUNCATE app.cancellation_items")
    assert set(_take(erp)) >= {("rma", 2), ("cancellation", 1), ("cancellation", None)}


def test_a_session_cannot_lead_the_capture_astray(fresh: psycopg.Connection) -> None:
    fresh.execute("""
        CREATE SCHEMA trap;
        CREATE FUNCTION trap.never(text, text) RETURNS boolean LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''trapped''; END';
        CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.never);
        CREATE FUNCTION trap.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
            'SELECT NULL::timestamptz';
        CREATE TEMP TABLE emag_changes (kind text, row_id text);
        SET search_path = trap, pg_temp, pg_catalog;
    """)
    fresh.execute("UPDATE app.invoices SET status = 'issued'")
    assert _take(fresh) == [("invoice", 1), ("invoice", 2)]


@pytest.mark.parametrize(
    "silencer",
    [
        "SET session_replication_role = replica",
        "ALTER TABLE app.invoices DISABLE TRIGGER USER",
    ],
)
def test_a_silenced_trigger_lets_the_statement_through(
    fresh: psycopg.Connection, silencer: str
) -> None:
    fresh.execute(silencer.encode())
    assert _run(fresh, "UPDATE app.invoices SET status = 'issued'") == []


# Beside other transactions


@pytest.mark.parametrize("isolation", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
def test_strict_isolation_never_fails_because_of_consumption(
    erp_url: str, erp: psycopg.Connection, isolation: IsolationLevel
) -> None:
    erp.execute("UPDATE app.return_requests SET emag_order_id = '1'")
    with _session(erp_url) as runner, psycopg.connect(erp_url) as strict:
        strict.isolation_level = isolation
        strict.execute("SET LOCAL lock_timeout = '50ms'")
        strict.execute("SELECT status FROM app.return_requests").fetchall()
        strict.execute("UPDATE app.return_requests SET emag_order_id = '2' WHERE id = 1")
        with runner.transaction():
            assert len(_take(runner)) >= 2
            strict.execute("UPDATE app.return_requests SET emag_order_id = '3' WHERE id = 2")
        strict.execute("UPDATE app.return_requests SET emag_order_id = '4' WHERE id = 1")
        strict.execute("DELETE FROM app.return_items WHERE return_request_id = 2")
        strict.commit()
        assert _take(runner) == [("rma", 1), ("rma", 1), ("rma", 2), ("rma", 2)]


def test_serializable_transactions_of_the_erp_dont_meet_in_our_table(erp_url: str) -> None:
    with psycopg.connect(erp_url) as one, psycopg.connect(erp_url) as other:
        for session in (one, other):
            session.isolation_level = IsolationLevel.SERIALIZABLE
        for row, session in ((1, one), (2, other)):
            session.execute(
                "UPDATE app.invoices SET pdf_url = 'https://example.com/1' WHERE id = %s", [row]
            )
        one.commit()
        other.commit()


@pytest.mark.parametrize("first", [1, 2])
def test_a_runner_and_the_erp_cant_deadlock(
    erp_url: str, erp: psycopg.Connection, first: int
) -> None:
    second = 3 - first
    erp.execute("UPDATE app.invoices SET pdf_url = 'a' WHERE id IN (1, 2)")
    take_one = "DELETE FROM app.emag_changes WHERE row_id = %s"
    change = "UPDATE app.invoices SET pdf_url = 'b' WHERE id = %s"
    with _session(erp_url) as runner, erp.transaction(), runner.transaction():
        runner.execute(take_one, [first])
        erp.execute(change, [second])
        runner.execute(take_one, [second])
        erp.execute(change, [first])
    assert _take(erp) == [("invoice", 1), ("invoice", 2)]


def test_a_bulk_update_waits_for_nobody(fresh_url: str, fresh: psycopg.Connection) -> None:
    fresh.execute("INSERT INTO app.invoices (status) SELECT 'draft' FROM generate_series(1, 20000)")
    with _session(fresh_url) as runner, runner.transaction():
        assert len(_take(runner)) == 20000
        fresh.execute("SET lock_timeout = '1ms'")
        fresh.execute("UPDATE app.invoices SET status = 'issued'")
    assert len(_take(fresh)) == 20002


def test_an_uncommitted_change_is_consumed_by_nobody(
    fresh_url: str, fresh: psycopg.Connection
) -> None:
    with psycopg.connect(fresh_url) as slow:
        slow.execute("UPDATE app.invoices SET status = 'issued' WHERE id = 1")
        assert _run(fresh, "UPDATE app.invoices SET status = 'issued' WHERE id = 2") == [
            ("invoice", 2)
        ]
        slow.commit()
    assert _take(fresh) == [("invoice", 1)]


# Later changes of the ERP's schema

APPROVE = "UPDATE app.cancellation_requests SET status = 'APPROVED' WHERE id = 1"
REJECT = "UPDATE app.cancellation_requests SET status = 'REJECTED' WHERE id = 1"
NOTE = "UPDATE app.cancellation_requests SET internal_notes = 'x' || random() WHERE id = 1"


@pytest.mark.parametrize(
    "alteration",
    [
        "ADD COLUMN priority integer DEFAULT 3",
        "DROP COLUMN internal_notes CASCADE, ADD COLUMN internal_notes varchar(99)",
        "DROP COLUMN emag_order_id",
        "RENAME COLUMN refund_status TO repayment",
        "ALTER COLUMN id TYPE bigint",
        "ALTER COLUMN status TYPE text",
        "ALTER COLUMN reason TYPE json USING to_json(reason)",
        "ALTER COLUMN emag_order_id TYPE bigint USING emag_order_id::bigint",
        "ALTER COLUMN account_type TYPE point USING point(1, 2)",
    ],
)
@pytest.mark.parametrize("seasoned", [True, False], ids=["same session", "new session"])
def test_an_altered_table_is_still_captured(
    existing_url: str, existing: psycopg.Connection, alteration: str, seasoned: bool
) -> None:
    with _session(existing_url) as other:
        session = existing if seasoned else other
        assert _run(existing, APPROVE) == [("cancellation", 1)]
        existing.execute(f"ALTER TABLE app.cancellation_requests {alteration}".encode())

        assert _run(session, NOTE) == []
        assert _run(session, REJECT) == [("cancellation", 1)]
        assert _run(session, "DELETE FROM app.cancellation_requests WHERE id = 4") == [
            ("cancellation", 4)
        ]


UNREADABLE_KEYS = [
    "RENAME COLUMN id TO number",
    "ALTER COLUMN id TYPE text",
    "ALTER COLUMN id TYPE numeric USING id + 0.5",
    "DROP COLUMN id CASCADE",
]


@pytest.mark.parametrize("alteration", UNREADABLE_KEYS)
@pytest.mark.parametrize("seasoned", [True, False], ids=["same session", "new session"])
def test_a_row_without_a_readable_id_passes_unnoted(
    fresh_url: str, fresh: psycopg.Connection, alteration: str, seasoned: bool
) -> None:
    with _session(fresh_url) as other:
        session = fresh if seasoned else other
        fresh.execute("DROP TABLE app.invoice_items")
        fresh.execute("ALTER TABLE app.invoices ALTER COLUMN id DROP IDENTITY")
        fresh.execute("UPDATE app.invoices SET status = 'issued'")
        fresh.execute(f"ALTER TABLE app.invoices {alteration}".encode())
        _take(fresh)

        assert _run(session, "UPDATE app.invoices SET status = 'paid'") == []
        assert _run(session, "DELETE FROM app.invoices") == []


def test_a_value_that_json_cannot_hold_harms_nobody(fresh: psycopg.Connection) -> None:
    fresh.execute("""
        ALTER TABLE app.invoices ADD COLUMN raw json DEFAULT '{"a": "\\u0000"}';
        ALTER TABLE app.invoices DROP COLUMN pdf_url;
    """)
    with pytest.raises(psycopg.errors.UntranslatableCharacter):
        fresh.execute("SELECT to_jsonb(i) FROM app.invoices i")
    assert _run(fresh, "UPDATE app.invoices SET status = 'paid' WHERE id = 1") == [("invoice", 1)]


@pytest.mark.parametrize("captured", CAPTURED, ids=lambda each: each.table)
def test_the_erp_may_drop_its_table(erp: psycopg.Connection, captured: Captured) -> None:
    erp.execute(f"DROP TABLE app.{captured.table} CASCADE".encode())
