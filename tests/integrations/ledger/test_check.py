from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from integrations.ledger import check
from integrations.ledger.check import check_database
from integrations.ledger.engine import Engine
from integrations.ledger.findings import Finding
from migrations.run import upgrade
from tests.migrations import existing_erp

UPGRADE = "run `emag-flows db upgrade`"


@pytest.fixture
def existing_url(bare_database_url: str) -> str:
    """URL of a migrated database of an ERP that was there first."""
    existing_erp.install(bare_database_url)
    upgrade(bare_database_url)
    return bare_database_url


@pytest.fixture(params=["database_url", "existing_url"])
def migrated_url(request: pytest.FixtureRequest) -> str:
    """Both kinds of database, one after the other."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
async def existing(existing_url: str) -> AsyncIterator[Engine]:
    """The engine on an ERP that was there first."""
    engine = Engine(existing_url)
    yield engine
    engine.close()


def _alter(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


async def _wrong(engine: Engine) -> list[Finding]:
    return [finding for finding in await check_database(engine) if not finding.ok]


async def test_a_migrated_database_has_nothing_wrong(engine: Engine) -> None:
    findings = await check_database(engine)
    assert [finding for finding in findings if not finding.ok or finding.remedy] == []


async def test_an_erp_that_was_there_first_has_only_history(existing: Engine) -> None:
    assert await _wrong(existing) == []
    assert (await check_database(existing))[-1] == Finding(
        "rows never queued",
        True,
        "3 rma, 1 cancellation, 1 invoice",
        "`emag-flows adopt --since DATE` queues them",
    )


async def test_an_unreachable_server_is_the_only_finding() -> None:
    engine = Engine("postgresql://seller:secret@127.0.0.1:1/shop")
    (finding,) = await check_database(engine)
    assert (finding.name, finding.ok) == ("database", False)
    assert "Connection refused" in finding.detail
    assert finding.remedy == "check DATABASE_URL and the server"


async def test_a_database_that_was_never_migrated_says_so(bare_database_url: str) -> None:
    engine = Engine(bare_database_url)
    assert await _wrong(engine) == [Finding("revision", False, "none instead of 0007", UPGRADE)]
    engine.close()


async def test_another_revision_says_so(database_url: str, engine: Engine) -> None:
    _alter(database_url, "UPDATE app.emag_alembic_version SET version_num = '0000'")
    assert await _wrong(engine) == [Finding("revision", False, "0000 instead of 0007", UPGRADE)]


async def test_an_old_server_is_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "OLDEST_SERVER", 99)
    (finding,) = await _wrong(engine)
    assert (finding.name, finding.remedy) == (
        "server version",
        "PostgreSQL 99 or newer is needed",
    )


async def test_a_missing_table_of_ours_is_named(database_url: str, engine: Engine) -> None:
    _alter(database_url, "DROP TABLE app.emag_platform_cursors")
    assert await _wrong(engine) == [
        Finding("our tables", False, "app.emag_platform_cursors is missing", UPGRADE)
    ]


async def test_a_missing_table_of_the_erp_is_named(database_url: str, engine: Engine) -> None:
    _alter(database_url, "DROP TABLE app.invoices CASCADE")
    assert await _wrong(engine) == [
        Finding("capture of invoices", False, "app.invoices is missing", UPGRADE)
    ]


@pytest.mark.parametrize(
    ("statement", "detail", "remedy"),
    [
        (
            "DROP TRIGGER emag_capture_invoices ON app.invoices",
            "trigger emag_capture_invoices is missing",
            UPGRADE,
        ),
        (
            "DROP TRIGGER emag_truncate_invoices ON app.invoices",
            "trigger emag_truncate_invoices is missing",
            UPGRADE,
        ),
        (
            "ALTER TABLE app.invoices DISABLE TRIGGER emag_capture_invoices",
            "trigger emag_capture_invoices on app.invoices is disabled",
            "ALTER TABLE app.invoices ENABLE TRIGGER emag_capture_invoices",
        ),
        (
            "ALTER TABLE app.invoices ENABLE REPLICA TRIGGER emag_truncate_invoices",
            "trigger emag_truncate_invoices on app.invoices is enabled for replicas only",
            "ALTER TABLE app.invoices ENABLE TRIGGER emag_truncate_invoices",
        ),
    ],
)
async def test_a_trigger_that_does_not_fire_is_named(
    database_url: str, engine: Engine, statement: str, detail: str, remedy: str
) -> None:
    _alter(database_url, statement)
    assert await _wrong(engine) == [Finding("capture of invoices", False, detail, remedy)]


async def test_a_trigger_that_always_fires_is_fine(database_url: str, engine: Engine) -> None:
    _alter(database_url, "ALTER TABLE app.invoices ENABLE ALWAYS TRIGGER emag_capture_invoices")
    assert await _wrong(engine) == []


async def test_a_trigger_disabled_on_a_partition_is_named(bare_database_url: str) -> None:
    _alter(
        bare_database_url,
        "CREATE SCHEMA app",
        "CREATE TABLE app.invoices (id integer, order_id integer, status text, created_at date,"
        " invoice_number text) PARTITION BY LIST (id)",
        "CREATE TABLE app.invoices_1 PARTITION OF app.invoices FOR VALUES IN (1)",
    )
    upgrade(bare_database_url)
    engine = Engine(bare_database_url)
    assert await _wrong(engine) == []

    _alter(bare_database_url, "ALTER TABLE app.invoices_1 DISABLE TRIGGER ALL")

    assert await _wrong(engine) == [
        Finding(
            "capture of invoices",
            False,
            "trigger emag_capture_invoices on app.invoices_1 is disabled",
            "ALTER TABLE app.invoices_1 ENABLE TRIGGER emag_capture_invoices",
        )
    ]
    engine.close()


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("a view", "CREATE VIEW app.invoices AS SELECT * FROM app.all_invoices"),
        (
            "a materialized view",
            "CREATE MATERIALIZED VIEW app.invoices AS SELECT * FROM app.all_invoices",
        ),
    ],
)
async def test_what_cannot_carry_triggers_is_named(
    database_url: str, engine: Engine, kind: str, statement: str
) -> None:
    _alter(database_url, "ALTER TABLE app.invoices RENAME TO all_invoices", statement)
    upgrade(database_url)
    assert await _wrong(engine) == [
        Finding(
            "capture of invoices",
            False,
            f"app.invoices is {kind} and can't carry the triggers: changes go unseen",
            "let the ERP itself insert ('invoice', id) into app.emag_changes",
        )
    ]


async def test_a_foreign_table_is_named(database_url: str, engine: Engine) -> None:
    _alter(
        database_url,
        "DROP TABLE app.return_items",
        "CREATE FOREIGN DATA WRAPPER nowhere",
        "CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere",
        "CREATE FOREIGN TABLE app.return_items (id bigint, return_request_id bigint,"
        " product_id text, sku text, quantity int, emag_item_id text) SERVER nowhere",
    )
    (finding,) = await _wrong(engine)
    assert finding.detail.startswith("app.return_items is a foreign table")


@pytest.mark.parametrize(
    ("statement", "detail", "remedy"),
    [
        (
            "DROP COLUMN pdf_url",
            "app.invoices.pdf_url is missing",
            "ALTER TABLE app.invoices ADD pdf_url text",
        ),
        (
            "ALTER COLUMN status DROP DEFAULT, ALTER COLUMN status TYPE json USING to_json(status)",
            "app.invoices.status is json",
            "app.invoices.status must be text, an enum or a number",
        ),
    ],
)
async def test_a_column_that_cannot_be_read_is_named(
    database_url: str,
    engine: Engine,
    statement: str,
    detail: str,
    remedy: str,
) -> None:
    _alter(database_url, f"ALTER TABLE app.invoices {statement}")
    assert await _wrong(engine) == [Finding("the ERP's columns", False, detail, remedy)]


async def test_an_id_that_is_no_integer_is_named(database_url: str, engine: Engine) -> None:
    _alter(
        database_url,
        "DROP TABLE app.invoice_items",
        "ALTER TABLE app.invoices ALTER COLUMN id DROP IDENTITY",
        "ALTER TABLE app.invoices ALTER COLUMN id TYPE text",
    )
    assert await _wrong(engine) == [
        Finding(
            "the ERP's columns",
            False,
            "app.invoices.id is text",
            "app.invoices.id must be an integer",
        )
    ]


async def test_books_that_are_too_narrow_for_the_erps_ids_are_named(
    database_url: str, engine: Engine
) -> None:
    _alter(
        database_url,
        "ALTER TABLE app.emag_invoice_integrations ALTER COLUMN invoice_id TYPE integer",
        "INSERT INTO app.emag_changes (kind, row_id) VALUES ('Invoice', 7)",
    )
    [finding] = [each for each in await check_database(engine) if not each.ok]
    assert finding.name == "every row of the ERP's"
    assert "app.emag_invoice_integrations.invoice_id is integer" in finding.detail
    assert "app.emag_changes holds 1 of kind 'Invoice'" in finding.detail
    assert "ALTER invoice_id TYPE bigint" in finding.remedy


async def test_an_older_function_is_named(database_url: str, engine: Engine) -> None:
    _alter(
        database_url,
        "CREATE OR REPLACE FUNCTION app.emag_capture_invoices() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NULL; END'",
    )
    assert await _wrong(engine) == [
        Finding(
            "capture functions",
            False,
            "app.emag_capture_invoices is another version",
            UPGRADE,
        )
    ]
    upgrade(database_url)
    assert await _wrong(engine) == []


async def test_an_owner_who_may_not_append_is_named(database_url: str, engine: Engine) -> None:
    role = f"owner_{uuid4().hex}"
    _alter(
        database_url,
        f"CREATE ROLE {role}",
        f"ALTER FUNCTION app.emag_capture_invoices() OWNER TO {role}",
    )
    try:
        (finding,) = await _wrong(engine)
        assert finding.name == "capture functions"
        assert f"GRANT INSERT ON app.emag_changes TO {role}" in finding.remedy
        _alter(database_url, finding.remedy)
        assert await _wrong(engine) == []
    finally:
        _alter(database_url, f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


async def test_a_role_that_replicates_is_named(database_url: str, engine: Engine) -> None:
    role = f"feed_{uuid4().hex}"
    _alter(
        database_url,
        f"CREATE ROLE {role}",
        f"ALTER ROLE {role} IN DATABASE {conninfo_to_dict(engine.url)['dbname']}"
        " SET session_replication_role = replica",
    )
    try:
        (finding,) = await _wrong(engine)
        assert finding.detail.startswith(f"session_replication_role is replica for {role}")
        _alter(database_url, finding.remedy)
        assert await _wrong(engine) == []
    finally:
        _alter(database_url, f"DROP ROLE {role}")


async def test_capture_functions_that_not_everybody_may_execute_are_named(
    database_url: str, engine: Engine
) -> None:
    _alter(
        database_url, "REVOKE EXECUTE ON FUNCTION app.emag_capture_return_requests() FROM PUBLIC"
    )
    (finding,) = await _wrong(engine)
    assert finding.name == "capture functions"
    assert finding.remedy == (
        "GRANT EXECUTE ON FUNCTION app.emag_capture_return_requests() TO PUBLIC"
    )
    _alter(database_url, finding.remedy)
    assert await _wrong(engine) == []


async def test_missing_rights_are_listed_as_grants_that_suffice(migrated_url: str) -> None:
    url = migrated_url
    role = f"runner_{uuid4().hex}"
    _alter(
        url,
        f"CREATE ROLE {role} LOGIN",
        "REVOKE ALL ON FUNCTION app.emag_prepare_calls FROM PUBLIC",
        "REVOKE ALL ON FUNCTION app.emag_drop_calls FROM PUBLIC",
    )
    engine = Engine(url.replace("//postgres@", f"//{role}@"))
    try:
        (rights,) = [each for each in await _wrong(engine) if each.name == "rights"]
        for grant in (
            f"GRANT USAGE ON SCHEMA app TO {role}",
            f"GRANT SELECT ON app.return_requests TO {role}",
            f"GRANT UPDATE (emag_return_id) ON app.return_requests TO {role}",
            f"GRANT DELETE ON app.emag_changes TO {role}",
            f"GRANT EXECUTE ON FUNCTION app.emag_prepare_calls(integer) TO {role}",
            f"GRANT EXECUTE ON FUNCTION app.emag_drop_calls(integer) TO {role}",
        ):
            assert grant in rights.remedy
        _alter(url, *rights.remedy.split("; "))
        (news,) = await _wrong(engine)
        assert news.name == "rights to bring eMAG's news in"
        for grant in (
            f"GRANT INSERT ON app.return_requests TO {role}",
            f"GRANT INSERT ON app.cancellation_items TO {role}",
            f"GRANT UPDATE ON app.invoices TO {role}",
        ):
            assert grant in news.remedy
        _alter(url, *news.remedy.split("; "))
        assert await _wrong(engine) == []
    finally:
        engine.close()
        _alter(url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def test_a_sequence_of_the_erps_that_news_needs_is_named(database_url: str) -> None:
    role = f"runner_{uuid4().hex}"
    _alter(
        database_url,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA app TO {role}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA app TO {role}",
        "CREATE SEQUENCE app.numbers",
        "ALTER TABLE app.return_requests ADD number bigint DEFAULT nextval('app.numbers')",
    )
    limited = Engine(database_url.replace("//postgres@", f"//{role}@"))
    try:
        (news,) = await _wrong(limited)
        assert news.name == "rights to bring eMAG's news in"
        assert news.remedy == f"GRANT USAGE ON SEQUENCE app.numbers TO {role}"
    finally:
        limited.close()
        _alter(database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def test_a_required_column_that_emag_has_nothing_for_is_named_beforehand(
    database_url: str, engine: Engine
) -> None:
    _alter(
        database_url,
        "ALTER TABLE app.return_requests ADD warehouse text NOT NULL DEFAULT 'north'",
        "ALTER TABLE app.return_requests ADD shelf integer NOT NULL",
        "ALTER TABLE app.return_requests ADD batch uuid NOT NULL",
    )

    (finding,) = await _wrong(engine)

    assert finding.name == "room for eMAG's news"
    assert "app.return_requests.batch (uuid) must be given" in finding.detail
    assert "shelf" not in finding.detail
    assert finding.remedy == "ALTER TABLE app.return_requests ALTER batch SET DEFAULT ..."


async def test_days_without_a_partition_are_named_until_prepared(
    database_url: str, engine: Engine
) -> None:
    _alter(
        database_url,
        "DO $$ BEGIN EXECUTE 'DROP TABLE app.emag_api_calls_'"
        " || to_char(now() AT TIME ZONE 'UTC' + interval '1 day', 'YYYYMMDD'); END $$",
    )
    (finding,) = await _wrong(engine)
    assert finding.name == "call record's partitions"
    _alter(database_url, finding.remedy)
    assert await _wrong(engine) == []


async def test_clocks_that_differ_are_named(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "MOST_CLOCK_DIFFERENCE", -1.0)
    (finding,) = await _wrong(engine)
    assert (finding.name, finding.remedy) == ("clock", "synchronise both hosts' clocks (NTP)")
