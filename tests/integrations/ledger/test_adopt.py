from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date

import pytest
from psycopg.conninfo import conninfo_to_dict

from integrations.erp.rows import Kind
from integrations.ledger import adopt as adopting
from integrations.ledger.adopt import adopt, adoptable
from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine
from migrations.run import upgrade
from tests.migrations import existing_erp

EVER = date(2020, 1, 1)


@pytest.fixture
async def existing(bare_database_url: str) -> AsyncIterator[Engine]:
    """A migrated database of an ERP that was there first.

    Return 1, cancellation 2 and invoice 3 were synced by an earlier integration; return 2 has an
    integration row without an answer.
    """
    existing_erp.install(bare_database_url)
    upgrade(bare_database_url)
    engine = Engine(bare_database_url)
    yield engine
    engine.close()


async def _run(engine: Engine, *statements: str) -> None:
    async with transaction(engine) as connection:
        for statement in statements:
            await connection.execute(statement)


async def _queued(engine: Engine) -> list[tuple[str, int]]:
    async with transaction(engine) as connection:
        rows = await connection.execute("SELECT kind, row_id FROM app.emag_changes ORDER BY id")
        return [(row.kind, row.row_id) for row in rows]


async def _unseen(engine: Engine, *statements: str) -> None:
    """Change the ERP's rows as if capture hadn't been there yet."""
    await _run(engine, "SET LOCAL session_replication_role = replica", *statements)


async def test_upgrading_queues_nothing(existing: Engine) -> None:
    assert await _queued(existing) == []


async def test_what_was_never_queued_is_counted_and_adopted(existing: Engine) -> None:
    expected = {Kind.RMA: 3, Kind.CANCELLATION: 1, Kind.INVOICE: 1}
    assert await adoptable(existing) == expected
    assert await adopt(existing, EVER, list(Kind)) == expected
    assert await _queued(existing) == [
        ("rma", 2),
        ("rma", 3),
        ("rma", 4),
        ("cancellation", 1),
        ("invoice", 2),
    ]


async def test_adopting_again_queues_nothing_twice(existing: Engine) -> None:
    await adopt(existing, EVER, list(Kind))
    nothing = dict.fromkeys(Kind, 0)
    assert await adopt(existing, EVER, list(Kind)) == nothing
    assert await adoptable(existing) == nothing


async def test_only_the_kinds_asked_for_are_adopted(existing: Engine) -> None:
    assert await adopt(existing, EVER, [Kind.INVOICE]) == {Kind.INVOICE: 1}
    assert await _queued(existing) == [("invoice", 2)]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
@pytest.mark.parametrize("column", ["timestamp", "timestamptz"])
@pytest.mark.parametrize(("since", "rows"), [(date(2026, 10, 3), [3, 4]), (date(2026, 10, 4), [4])])
async def test_rows_count_from_midnight_utc_of_the_day(
    existing: Engine, zone: str, column: str, since: date, rows: list[int]
) -> None:
    named = conninfo_to_dict(existing.url)["dbname"]
    await _unseen(
        existing,
        "UPDATE app.return_requests"
        " SET created_at = timestamp '2026-10-01' + (id - 1) * interval '1 day'",
        "UPDATE app.return_requests SET created_at = created_at - interval '1 second' WHERE id = 2",
        f"ALTER TABLE app.return_requests ALTER COLUMN created_at TYPE {column}"
        " USING created_at AT TIME ZONE 'UTC'"
        + (" AT TIME ZONE 'UTC'" if column == "timestamp" else ""),
        f"ALTER ROLE CURRENT_USER IN DATABASE {named} SET timezone = '{zone}'",
    )
    connected_since = Engine(existing.url)

    await adopt(connected_since, since, [Kind.RMA])

    connected_since.close()
    assert await _queued(existing) == [("rma", row) for row in rows]


async def test_rows_that_are_ours_already_stay(engine: Engine) -> None:
    await _unseen(
        engine,
        "INSERT INTO app.return_requests (emag_order_id) SELECT n FROM generate_series(1, 4) AS n",
        "INSERT INTO app.emag_return_integrations (return_request_id, sync_state)"
        " VALUES (1, 'refused')",
        "INSERT INTO app.emag_return_integrations (return_request_id, sync_state, superseded)"
        " VALUES (2, 'refused', true)",
        "INSERT INTO app.emag_changes (kind, row_id) VALUES ('rma', 3), ('invoice', 4)",
    )
    assert (await adoptable(engine))[Kind.RMA] == 2
    assert await adopt(engine, EVER, [Kind.RMA]) == {Kind.RMA: 2}
    assert (await _queued(engine))[2:] == [("rma", 2), ("rma", 4)]


@pytest.mark.parametrize(
    ("kind", "table", "statuses", "queued"),
    [
        (Kind.RMA, "return_requests", "pending rejected nonsense", 3),
        (Kind.CANCELLATION, "cancellation_requests", "pending APPROVED completed rejected", 2),
        (Kind.INVOICE, "invoices", "draft issued Sent paid overdue cancelled refunded", 4),
    ],
)
async def test_only_statuses_that_are_queued_count(
    engine: Engine, kind: Kind, table: str, statuses: str, queued: int
) -> None:
    await _unseen(
        engine,
        f"INSERT INTO app.{table} (status) SELECT regexp_split_to_table('{statuses}', ' ')",
    )
    assert (await adoptable(engine))[kind] == queued
    assert await adopt(engine, EVER, [kind]) == {kind: queued}


async def test_many_rows_are_adopted_in_chunks(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopting, "CHUNK", 10)
    await _unseen(
        engine, "INSERT INTO app.invoices (status) SELECT 'paid' FROM generate_series(1, 35)"
    )
    assert await adopt(engine, EVER, [Kind.INVOICE]) == {Kind.INVOICE: 35}
    async with transaction(engine) as connection:
        transactions = (
            await connection.execute("SELECT count(DISTINCT txid) FROM app.emag_changes")
        ).scalar_one()
    assert transactions == 4


async def test_a_large_table_is_estimated_to_two_digits(engine: Engine) -> None:
    await _unseen(
        engine,
        "INSERT INTO app.invoices (status) SELECT 'paid' FROM generate_series(1, 100000)",
        "INSERT INTO app.emag_invoice_integrations (invoice_id, sync_state)"
        " SELECT n, 'synced' FROM generate_series(1, 100000, 2) AS n",
    )
    counts = await adoptable(engine)
    assert 45_000 <= counts[Kind.INVOICE] <= 55_000
    assert counts[Kind.INVOICE] % 1000 == 0
    assert (counts[Kind.RMA], counts[Kind.CANCELLATION]) == (0, 0)


async def test_a_table_that_cannot_be_read_counts_as_empty(engine: Engine) -> None:
    await _run(
        engine,
        "DROP TABLE app.invoices CASCADE",
        "DROP TABLE app.return_items",
        "ALTER TABLE app.return_requests ALTER COLUMN id DROP IDENTITY",
        "ALTER TABLE app.return_requests ALTER COLUMN id TYPE text",
    )
    nothing = dict.fromkeys(Kind, 0)
    assert await adoptable(engine) == nothing
    assert await adopt(engine, EVER, list(Kind)) == nothing


async def test_a_view_is_counted_and_adopted(engine: Engine) -> None:
    await _run(
        engine,
        "ALTER TABLE app.invoices RENAME TO all_invoices",
        "CREATE VIEW app.invoices AS SELECT * FROM app.all_invoices",
    )
    await _unseen(engine, "INSERT INTO app.invoices (status) VALUES ('paid')")
    assert (await adoptable(engine))[Kind.INVOICE] == 1
    assert await adopt(engine, EVER, [Kind.INVOICE]) == {Kind.INVOICE: 1}
