from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from integrations.ledger.check import OUR_TABLES
from migrations import patience
from migrations.revisions import head
from migrations.run import UpgradeError, upgrade
from tests.migrations import existing_erp
from tests.migrations.sessions import LOCK_AWAITED, upgrading, wait_until

ROOT = Path(__file__).resolve().parents[2]
UPGRADE = "import sys; from migrations.run import upgrade; upgrade(sys.argv[1])"
ERP_TABLES = (
    "return_requests",
    "return_items",
    "cancellation_requests",
    "cancellation_items",
    "invoices",
    "invoice_items",
)


def test_an_empty_database_gets_every_table(bare_database_url: str) -> None:
    upgrade(bare_database_url)

    with psycopg.connect(bare_database_url) as connection:
        tables = {
            row[0]
            for row in connection.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'app'::regnamespace"
            )
        }
        revision = connection.execute("SELECT version_num FROM app.emag_alembic_version").fetchall()
    assert {*ERP_TABLES, *OUR_TABLES} <= tables
    assert revision == [(head(),)]


@pytest.mark.parametrize("table", [*ERP_TABLES[::2], "return_items", "cancellation_items"])
def test_a_row_can_be_inserted_by_hand(database_url: str, table: str) -> None:
    with psycopg.connect(database_url) as connection:
        for parent in ERP_TABLES[::2]:
            connection.execute(f"INSERT INTO app.{parent} DEFAULT VALUES".encode())
        columns = {
            "return_items": "(return_request_id) VALUES (1)",
            "cancellation_items": "(cancellation_request_id) VALUES (1)",
        }.get(table, "(emag_order_id, status) VALUES ('480000101', 'approved')")
        connection.execute(f"INSERT INTO app.{table} {columns}".encode())


def test_rows_of_the_erp_may_be_deleted_with_their_items(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO app.return_requests DEFAULT VALUES")
        connection.execute("INSERT INTO app.return_items (return_request_id) VALUES (1)")
        connection.execute("DELETE FROM app.return_requests")
        assert connection.execute("SELECT count(*) FROM app.return_items").fetchone() == (0,)


@pytest.mark.parametrize("fixture", ["database_url", "existing_url"])
def test_the_second_upgrade_changes_nothing(request: pytest.FixtureRequest, fixture: str) -> None:
    url: str = request.getfixturevalue(fixture)
    upgrade(url)
    before = existing_erp.catalog_versions(url)

    upgrade(url)

    assert existing_erp.catalog_versions(url) == before


@pytest.mark.parametrize("scheme", ["postgres://", "postgresql+psycopg://"])
def test_every_spelling_of_the_address_is_taken(bare_database_url: str, scheme: str) -> None:
    upgrade(bare_database_url.replace("postgresql://", scheme))


def test_two_upgrades_and_the_script_at_once_agree(
    existing_url: str, psql: str, script: Path
) -> None:
    programs = [
        [sys.executable, "-c", UPGRADE, existing_url],
        [sys.executable, "-c", UPGRADE, existing_url],
        [psql, "-X", "-q", "-d", existing_url, "-f", str(script)],
    ]
    running = [
        subprocess.Popen(program, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for program in programs
    ]

    outcomes = [(program.communicate(timeout=60)[1], program.returncode) for program in running]

    assert outcomes == [("", 0)] * 3
    indexes = [row for row in existing_erp.catalog(existing_url) if row[0] == "index"]
    assert all(definition.startswith("true") for _, _, definition in indexes)


def test_a_lost_trigger_is_put_back(database_url: str) -> None:
    before = existing_erp.catalog(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP TRIGGER emag_capture_invoices ON app.invoices")
        connection.execute("DROP TRIGGER emag_truncate_return_items ON app.return_items")
    assert existing_erp.catalog(database_url) != before

    upgrade(database_url)

    assert existing_erp.catalog(database_url) == before


def test_an_interrupted_index_build_is_finished(existing_url: str) -> None:
    name = "emag_return_integrations_live_idx"
    with psycopg.connect(existing_url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(
                f"CREATE UNIQUE INDEX CONCURRENTLY {name}"
                " ON app.emag_return_integrations (return_request_id)".encode()
            )
        upgrade(existing_url)
        valid = connection.execute(
            "SELECT indisvalid, pg_get_expr(indpred, indrelid) FROM pg_index"
            f" WHERE indexrelid = 'app.{name}'::regclass".encode()
        ).fetchone()
    assert valid == (True, "(NOT superseded)")


def test_giving_up_says_what_is_locked_and_what_to_do(
    existing_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patience, "ATTEMPTS", 2)
    with psycopg.connect(existing_url) as erp, upgrading(existing_url) as outcome:
        erp.execute("SELECT FROM app.invoices")
        wait_until(existing_url, LOCK_AWAITED.format(table="invoices"))
        with pytest.raises(UpgradeError) as raised:
            outcome.result()
    assert str(raised.value) == (
        "app.invoices stayed locked by other transactions;"
        " end long transactions (see pg_stat_activity) and run it again"
    )
    assert caplog.messages == ["app.invoices is locked by another transaction, trying again"]
    upgrade(existing_url)


def test_a_role_that_owns_nothing_is_told_so(existing_url: str) -> None:
    with psycopg.connect(existing_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS emag_visitor")
        connection.execute("CREATE ROLE emag_visitor LOGIN")
        try:
            connection.execute("GRANT USAGE, CREATE ON SCHEMA app TO emag_visitor")
            with pytest.raises(UpgradeError, match="run it as the owner of the ERP's tables"):
                upgrade(existing_url.replace("//postgres@", "//emag_visitor@"))
        finally:
            connection.execute("DROP OWNED BY emag_visitor")
            connection.execute("DROP ROLE emag_visitor")


def test_an_unreachable_database_is_one_line_with_the_remedy() -> None:
    with pytest.raises(UpgradeError) as raised:
        upgrade("postgresql://seller:secret@127.0.0.1:1/shop")
    message = str(raised.value)
    assert "check DATABASE_URL" in message
    assert "\n" not in message
    assert "secret" not in message


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(UpgradeError, match="must start with postgresql://"):
        upgrade("mysql://localhost/shop")
