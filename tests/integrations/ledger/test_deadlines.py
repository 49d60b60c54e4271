"""What eMAG waits for: returns to finalize, documents of finalized orders, customers' wishes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from integrations.emag.accounts import Account
from integrations.ledger import alarms, deadlines, matters
from integrations.ledger.database import autocommit
from integrations.ledger.deadlines import About, Clocks, Hours, clocks_of
from integrations.ledger.engine import Engine
from tests.integrations.ledger.mirrored import (
    BULGARIA,
    ORDER,
    RETURN,
    account_at,
    execute,
    hours_ago,
    insert,
    mirror_order,
    mirror_return,
    now,
)
from tests.integrations.ledger.test_query_plans import scans

MAIN = account_at()


async def clocks(engine: Engine, *accounts: Account, hours: Hours | None = None) -> list[Clocks]:
    async with autocommit(engine) as connection:
        return await clocks_of(connection, accounts or (MAIN,), hours or Hours())


async def named(engine: Engine) -> list[str]:
    return [each.subject for clock in await clocks(engine) for each in clock.next]


async def test_without_anything_open_no_clock_runs(engine: Engine) -> None:
    assert await clocks(engine) == []


async def test_a_return_is_due_when_its_last_day_has_ended_where_the_platform_is(
    engine: Engine,
) -> None:
    await mirror_return(engine, order_id=ORDER, finalize_by=date(2026, 7, 31))
    await mirror_return(engine, platform="emag-hu", finalize_by=date(2026, 1, 31))
    hungary = account_at("https://marketplace-api.emag.hu/api-3")

    [here] = await clocks(engine)
    [there] = await clocks(engine, hungary)

    [summer], [winter] = here.next, there.next
    assert (summer.about, summer.subject, summer.order_id) == (About.RETURN, str(RETURN), ORDER)
    assert summer.due_at == datetime(2026, 7, 31, 21, tzinfo=UTC)  # midnight in Bucharest
    assert winter.due_at == datetime(2026, 1, 31, 23, tzinfo=UTC)  # midnight in Budapest


async def test_on_its_last_day_a_return_is_due_and_not_late(engine: Engine) -> None:
    await mirror_return(
        engine, finalize_by="sql:(statement_timestamp() AT TIME ZONE 'Europe/Bucharest')::date"
    )

    [clock] = await clocks(engine)

    assert (clock.late, clock.within_24_hours) == (0, 1)


@pytest.mark.parametrize(
    ("status", "runs"),
    [(1, True), (2, True), (3, True), (4, False), (5, False), (6, True), (7, False)],
)
async def test_only_open_returns_are_waited_for(engine: Engine, status: int, runs: bool) -> None:
    await mirror_return(engine, status=status, finalize_by=date(2026, 1, 1))

    assert bool(await clocks(engine)) is runs


async def test_a_return_without_a_last_day_has_no_clock(engine: Engine) -> None:
    await mirror_return(engine)
    await mirror_return(engine, 5, finalize_by=date(9999, 12, 31))

    assert await clocks(engine) == []


async def test_a_finalized_order_wants_its_document_within_48_hours(engine: Engine) -> None:
    finalized = await now(engine) - timedelta(hours=47)
    await mirror_order(engine, finalized_at=finalized)

    [clock] = await clocks(engine)

    [due] = clock.next
    assert (due.about, due.subject, due.order_id) == (About.DOCUMENT, str(ORDER), ORDER)
    assert due.due_at == finalized + timedelta(hours=48)
    assert (clock.late, clock.within_24_hours, clock.within_72_hours) == (0, 1, 1)


@pytest.mark.parametrize(
    "columns",
    [{"documents": 1}, {"status": 5}, {"status": 0}, {"status": 3}, {"finalized_at": None}],
)
async def test_other_orders_want_none(engine: Engine, columns: dict[str, object]) -> None:
    finalized = {"finalized_at": hours_ago(100)}
    await mirror_order(engine, ORDER, **{**finalized, **columns})

    assert await clocks(engine) == []


@pytest.mark.parametrize(
    ("books", "wanted"),
    [
        ({"sync_state": "pending"}, True),
        ({"sync_state": "waiting", "waiting_for": "document"}, True),
        ({"sync_state": "refused"}, True),
        ({"sync_state": "synced", "emag_status": "attached"}, False),
        ({"sync_state": "pending", "emag_status": "ATTACHED"}, False),
        ({"emag_status": "attached", "emag_invoice_type": "proforma_invoice"}, True),
        ({"emag_status": "attached", "emag_invoice_type": "credit_note"}, True),
        ({"emag_status": "attached", "superseded": True}, True),
        ({"emag_status": "attached", "platform": "emag-bg"}, True),
    ],
)
async def test_an_invoice_of_the_erp_counts_once_our_books_say_attached(
    engine: Engine, books: dict[str, object], wanted: bool
) -> None:
    await mirror_order(engine, finalized_at=hours_ago(100))
    row = {"invoice_id": 1, "platform": "emag-ro", "emag_order_id": ORDER, "sync_state": "synced"}
    await insert(
        engine,
        "emag_invoice_integrations",
        **{**row, "emag_invoice_type": "sales_invoice", **books},
    )

    assert bool(await clocks(engine)) is wanted


@pytest.mark.parametrize(
    ("invoice", "wanted"),
    [({}, False), ({"is_storno": True}, True), ({"source": "invoice"}, True)],
)
async def test_an_invoice_that_emag_issued_to_the_customer_is_the_document(
    engine: Engine, invoice: dict[str, object], wanted: bool
) -> None:
    await mirror_order(engine, finalized_at=hours_ago(100))
    issued = {"platform": "emag-ro", "account": "main", "number": "EXF1", "order_id": ORDER}
    await insert(engine, "emag_issued_invoices", **issued, **invoice)

    assert bool(await clocks(engine)) is wanted


async def test_a_document_that_is_a_month_late_is_history(engine: Engine) -> None:
    await mirror_order(engine, 1, finalized_at=hours_ago(48 + 24 * 29))
    await mirror_order(engine, 2, finalized_at=hours_ago(48 + 24 * 31))

    assert await named(engine) == ["1"]


@pytest.mark.parametrize(
    ("status", "runs"),
    [(0, False), (1, True), (2, True), (3, True), (4, False), (5, False)],
)
async def test_a_wish_is_to_be_answered_within_a_day_while_the_order_is_open(
    engine: Engine, status: int, runs: bool
) -> None:
    wished = await now(engine) - timedelta(hours=30)
    await mirror_order(engine, status=status, wish_at=wished, documents=1)

    found = await clocks(engine)

    assert [(each.about, each.late) for each in found] == ([(About.WISH, 1)] if runs else [])
    assert [due.due_at - wished for each in found for due in each.next] == (
        [timedelta(hours=24)] if runs else []
    )


async def test_a_wish_that_only_emag_can_answer_is_not_waited_for(
    engine: Engine,
) -> None:
    for number, status in enumerate((1, 2, 3), start=1):
        await mirror_order(engine, number, type=2, status=status, wish_at=hours_ago(30))

    assert await clocks(engine) == []


@pytest.mark.parametrize("status", [1, 2, 3, 6])
async def test_a_return_that_only_emag_can_finalize_is_not_waited_for(
    engine: Engine, status: int
) -> None:
    await mirror_return(engine, type=2, status=status, finalize_by=date(2026, 1, 1))

    assert await clocks(engine) == []


async def test_an_order_that_emag_fulfils_wants_its_document_all_the_same(
    engine: Engine,
) -> None:
    await mirror_order(engine, type=2, finalized_at=hours_ago(100))

    assert [(each.about, each.late) for each in await clocks(engine)] == [(About.DOCUMENT, 1)]


async def test_how_long_emag_waits_is_the_sellers_to_say(engine: Engine) -> None:
    await mirror_order(engine, 1, finalized_at=hours_ago(10))
    await mirror_order(engine, 2, status=2, wish_at=hours_ago(10))

    strict = await clocks(engine, hours=Hours(document=5, wish=5))
    patient = await clocks(engine, hours=Hours(document=200, wish=200))

    assert [(each.about, each.late) for each in strict] == [(About.DOCUMENT, 1), (About.WISH, 1)]
    assert patient == []


async def test_what_is_due_is_counted_by_account_and_the_nearest_are_named(
    engine: Engine,
) -> None:
    for number, age in enumerate((60, 49, 47.5, 30, 10, 5, 1), start=1):
        await mirror_order(engine, number, finalized_at=hours_ago(age))
    await mirror_order(engine, 8, account="other", finalized_at=hours_ago(60))
    await mirror_order(engine, 9, platform="emag-bg", account="bg", finalized_at=hours_ago(60))

    bulgaria, romania = await clocks(engine, MAIN, account_at(BULGARIA, "bg"))

    assert (romania.late, romania.within_24_hours, romania.within_72_hours) == (2, 2, 5)
    assert [each.subject for each in romania.next] == ["3", "4", "5", "6", "7"]
    assert (bulgaria.account, bulgaria.platform, bulgaria.late) == ("bg", "emag-bg", 1)


async def test_what_was_missed_last_is_named_after_what_can_still_be_kept(
    engine: Engine,
) -> None:
    for number, age in enumerate((90, 50, 40), start=1):
        await mirror_order(engine, number, finalized_at=hours_ago(age))

    assert await named(engine) == ["3", "2", "1"]


HISTORY = 5_000


SEEN = "n, 'emag-ro', 'main', 3, 'd', now(), now(), false"
SEEN_COLUMNS = "platform, account, type, digest, read_at, changed_at, owed"

# table and columns, their values for each n
SETTLED = {
    f"emag_returns (emag_id, {SEEN_COLUMNS}, status, finalize_by)": f"{SEEN}, 7, '2026-01-01'",
    f"emag_orders (order_id, {SEEN_COLUMNS}, status, documents, finalized_at, wish_at)": (
        f"{SEEN}, 4, 1, now() - n * interval '10 min', now()"
    ),
    "emag_invoice_integrations (invoice_id, platform, emag_order_id, sync_state, emag_status)": (
        "n, 'emag-ro', n, 'synced', 'attached'"
    ),
    "emag_issued_invoices (platform, account, number, order_id)": "'emag-ro', 'main', n::text, n",
    "emag_alarms (platform, account, about, subject, due_at, told_at)": (
        "'emag-ro', 'main', 'document', n::text, now(), now()"
    ),
}


@pytest.fixture
async def crowded(engine: Engine) -> Engine:
    """Mirrors and books of a shop that has traded for long: all settled, apart from a few."""
    for columns, values in SETTLED.items():
        past = f"SELECT {values} FROM generate_series(1, {HISTORY}) AS n"
        await execute(engine, f"INSERT INTO app.{columns} {past}")
    await mirror_return(engine, finalize_by=date(2026, 1, 1))
    await mirror_order(engine, finalized_at=hours_ago(40))
    for columns in SETTLED:
        await execute(engine, f"ANALYZE app.{columns.partition(' ')[0]}")
    return engine


STATEMENTS: dict[str, str] = {
    "what is due": deadlines._CLOCKS,
    "raising alarms": alarms._RAISE,
    "telling alarms": alarms._TAKE,
    "alarms in the inbox": alarms._RAISED,
    "parked news": matters._NEWEST,
    "long parked news": matters._LONG,
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_no_statement_reads_history(crowded: Engine, name: str) -> None:
    values: dict[str, Any] = {
        **deadlines.horizon([MAIN], Hours(), 72),
        "named": 5,
        "most": 200,
        "longest": timedelta(days=1),
    }
    async with autocommit(crowded) as connection:
        explained = await connection.execute(f"EXPLAIN (FORMAT JSON) {STATEMENTS[name]}", values)
        [plan] = explained.scalar_one()
    assert scans(plan["Plan"]) == [], plan
