"""The resident loop: what rests is carried at once, whatever stops answering in between."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.rows import dict_row

from flows import resident
from flows.cancellation import sync_cancellations
from flows.parameters import CancellationParameters
from flows.resident import Vitals, reside
from integrations.emag.accounts import Account
from integrations.embedded import postmaster
from integrations.ledger.asked import forget_asked, note_asked
from integrations.ledger.books import State
from integrations.ledger.engine import Engine
from integrations.ledger.hints import hint_order
from integrations.sandbox.market import Market
from integrations.sandbox.server import serving
from tests.kills.server import serving_postgres

pytestmark = pytest.mark.usefixtures("configured")

# Long beyond anything that has to be waited for: what takes this long has failed.
PATIENCE = 60.0

STATES = """
    SELECT cancellation_request_id AS id, sync_state AS state
      FROM app.emag_cancellation_integrations ORDER BY 1
"""


@dataclass
class Loop:
    """A resident loop under way."""

    vitals: Vitals = field(default_factory=Vitals)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def residing() -> AsyncIterator[Loop]:
    """A loop that is told to stop at the end, and does."""
    loop = Loop()
    task = asyncio.create_task(reside(loop.vitals, stopping=loop.stopping))
    try:
        yield loop
    finally:
        loop.stopping.set()
        await task


async def until(database_url: str, statement: str, wanted: Callable[[list[Any]], bool]) -> None:
    """Wait until the rows of a statement are as wanted."""
    deadline = time.monotonic() + PATIENCE
    rows: list[Any] = []
    while time.monotonic() < deadline:
        with suppress(psycopg.OperationalError):
            async with await psycopg.AsyncConnection.connect(
                database_url, row_factory=dict_row
            ) as connection:
                rows = await (await connection.execute(statement.encode())).fetchall()
            if wanted(rows):
                return
        await asyncio.sleep(0.05)
    raise AssertionError(f"still {rows}")


async def come(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    for _ in range(int(PATIENCE / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come")


def all_synced(count: int) -> Callable[[list[Any]], bool]:
    return lambda rows: [row["state"] for row in rows] == ["synced"] * count


async def cancel(database_url: str, order_id: int, account: str = "main") -> None:
    """The ERP cancels an order."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(
            "INSERT INTO app.cancellation_requests (emag_order_id, account_type, refund_amount,"
            " currency) VALUES (%s, %s, 100.50, 'RON')",
            [str(order_id), account],
        )


def put_orders(market: Market, count: int) -> list[int]:
    orders = range(480000101, 480000101 + count)
    market.add_orders([{"id": order_id, "status": 2} for order_id in orders])
    return list(orders)


async def test_what_the_erp_commits_is_carried_with_no_run(
    database_url: str, market: Market
) -> None:
    [order_id] = put_orders(market, 1)

    async with residing() as loop:
        await cancel(database_url, order_id)
        await until(database_url, STATES, all_synced(1))

    assert market.orders.get(order_id)["status"] == 0  # type: ignore[index]
    assert loop.vitals.rows[State.SYNCED] == 1


async def test_a_change_is_seen_at_once_and_rests_for_its_quiet_time(
    database_url: str, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAG_QUIET_SECONDS", "60")
    [order_id] = put_orders(market, 1)
    changes = "SELECT seen_at FROM app.emag_changes"

    async with residing():
        await cancel(database_url, order_id)
        await until(database_url, changes, lambda rows: all(row["seen_at"] for row in rows))

    assert market.journal.effects == []


async def test_returns_and_invoices_are_carried_too(database_url: str, market: Market) -> None:
    market.add_order({"id": 480000101, "status": 4})
    market.add_return({"emag_id": 52000077, "order_id": 480000101, "request_status": 2})
    url = market.add_document("factura")

    async with residing():
        with psycopg.connect(database_url) as connection:
            connection.execute(
                "INSERT INTO app.return_requests (emag_order_id, status, account_type)"
                " VALUES ('480000101', 'approved', 'main')"
            )
            connection.execute(
                "INSERT INTO app.invoices (invoice_number, emag_order_id, status, invoice_type,"
                " account_type, pdf_url) VALUES ('F-1', '480000101', 'issued', 'sales_invoice',"
                " 'main', %s)",
                [url],
            )
        for table in ("return", "invoice"):
            await until(
                database_url,
                f"SELECT sync_state AS state FROM app.emag_{table}_integrations",
                lambda rows: bool(rows) and rows[0]["state"] in ("synced", "refused"),
            )

    assert market.returns.get(52000077)["request_status"] == 3  # type: ignore[index]


async def test_every_account_is_served(
    database_url: str, market: Market, emag_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = (
        '{{"name": "{}", "username": "seller@example.com", "password": "secret", "base_url": "{}"}}'
    )
    accounts = f"[{entry.format('main', emag_url)}, {entry.format('other', emag_url)}]"
    monkeypatch.setenv("EMAG_ACCOUNTS", accounts)
    monkeypatch.delenv("EMAG_USERNAME")
    orders = put_orders(market, 2)

    async with residing():
        for order_id, account in zip(orders, ("main", "other"), strict=True):
            await cancel(database_url, order_id, account)
        await until(database_url, STATES, all_synced(2))


async def test_what_emag_hints_at_is_read(
    engine: Engine, database_url: str, market: Market, account: Account
) -> None:
    [order_id] = put_orders(market, 1)
    await hint_order(engine, account.platform, "main", 3, order_id)

    async with residing():
        await until(
            database_url,
            "SELECT status FROM app.emag_orders WHERE order_id = 480000101",
            lambda rows: [row["status"] for row in rows] == [2],
        )


async def test_an_outage_of_emag_is_survived_and_said_once(
    database_url: str,
    market: Market,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    orders = put_orders(market, 2)
    caplog.set_level(logging.INFO, "emag.resident")
    async with serving(market) as url:
        port = urlsplit(url).port
    monkeypatch.setenv("EMAG_BASE_URL", url)

    async with residing() as loop:
        await cancel(database_url, orders[0])
        await until(database_url, STATES, lambda rows: bool(rows))
        await come(lambda: bool(loop.vitals.complaints))
        await cancel(database_url, orders[1])
        await asyncio.sleep(3)
        assert all("main" in complaint for complaint in loop.vitals.complaints)
        async with serving(market, port or 0):
            await hurry(database_url)
            await until(database_url, STATES, all_synced(2))
            await come(lambda: not loop.vitals.complaints)

    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "works again" in said[1]


async def test_a_password_and_a_key_that_have_changed_are_taken_from_the_file(
    database_url: str,
    market: Market,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.INFO, "emag.settings")
    monkeypatch.delenv("EMAG_PASSWORD")
    env = tmp_path / ".env"
    env.write_text(f"EMAG_PASSWORD={account.password.get_secret_value()}\n")
    orders = put_orders(market, 2)

    async with residing() as loop:
        await cancel(database_url, orders[0])
        await until(database_url, STATES, all_synced(1))
        market.credentials[account.username] = "another"
        await cancel(database_url, orders[1])
        await come(lambda: bool(loop.vitals.complaints))
        key = base64.urlsafe_b64encode(bytes(32)).decode()
        env.write_text(f"EMAG_PASSWORD=another\nEMAG_CALLS_KEY={key}\n")
        await come(lambda: "going on with what .env says now" in caplog.text)
        await hurry(database_url)
        await until(database_url, STATES, all_synced(2))
        await come(lambda: not loop.vitals.complaints)

    sealed = "SELECT sealed FROM app.emag_api_calls WHERE verdict = 'applied' ORDER BY sent_at"
    with psycopg.connect(database_url) as connection:
        kept = [value for (value,) in connection.execute(sealed).fetchall()]
    assert (kept[0], kept[-1]) == (False, True)


async def test_a_mistake_in_the_file_keeps_it_waiting_when_it_has_to_begin_anew(
    database_url: str, market: Market, tmp_path: Path
) -> None:
    orders = put_orders(market, 2)

    async with residing() as loop:
        await cancel(database_url, orders[0])
        await until(database_url, STATES, all_synced(1))
        (tmp_path / ".env").write_text("EMAG_RETURN_DAYS=many\n")
        with psycopg.connect(database_url) as connection:
            connection.execute("ALTER TABLE app.emag_orders RENAME TO gone")
        await come(lambda: any("EMAG_RETURN_DAYS" in each for each in loop.vitals.complaints))
        with psycopg.connect(database_url) as connection:
            connection.execute("ALTER TABLE app.gone RENAME TO emag_orders")
        (tmp_path / ".env").unlink()
        await cancel(database_url, orders[1])
        await until(database_url, STATES, all_synced(2))


async def test_what_is_under_way_is_finished_with_the_settings_it_began_with(
    database_url: str, market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(resident, "GRACE", 0.0)
    market.switches = replace(market.switches, answer_seconds=1.5)
    [order_id] = put_orders(market, 1)

    async with residing():
        await cancel(database_url, order_id)
        await until(database_url, "SELECT 1 FROM app.emag_order_leases", lambda rows: bool(rows))
        (tmp_path / ".env").write_text("EMAG_RETURN_DAYS=14\n")
        await until(database_url, STATES, all_synced(1))

    unknown = "SELECT 1 FROM app.emag_api_calls WHERE verdict <> 'applied'"
    await until(database_url, unknown, lambda rows: not rows)


async def hurry(database_url: str) -> None:
    """Time passes for what rests because eMAG was away."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(
            "UPDATE app.emag_cancellation_integrations SET next_attempt_at = clock_timestamp()"
        )
        await connection.execute("UPDATE app.emag_rate_limits SET probe_at = clock_timestamp()")


async def test_an_outage_of_the_database_is_survived_and_said_once(
    market: Market,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from migrations.run import upgrade

    [order_id] = put_orders(market, 1)
    caplog.set_level(logging.INFO, "emag.resident")
    with serving_postgres(tmp_path / "pg") as server:
        upgrade(server.url)
        monkeypatch.setenv("DATABASE_URL", server.url)
        async with residing() as loop:
            await come(lambda: "database" in loop.vitals.troubles)
            running = postmaster.running(server.home)
            assert running is not None
            postmaster.stop(server.home, running)
            await come(lambda: bool(loop.vitals.complaints))
            await asyncio.sleep(2)
            server._start()
            await cancel(server.url, order_id)
            await until(server.url, STATES, all_synced(1))

    said = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[0].partition(",")[0] for line in said] == [
        "the database",
        "the database works again",
    ]


async def test_what_the_database_says_is_told_without_the_password(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL lets the role in without asking, and then names a table that has its password."""
    url = database_url.replace("//postgres@", "//postgres:emag_orders@")
    monkeypatch.setenv("DATABASE_URL", url)
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE app.emag_orders RENAME TO gone")

    async with residing() as loop:
        await come(lambda: bool(loop.vitals.complaints))

    [complaint] = loop.vitals.complaints
    assert complaint == 'the database: relation "app.***" does not exist'
    assert "emag_orders" not in "".join(caplog.messages)


async def test_what_is_under_way_at_the_end_is_finished(database_url: str, market: Market) -> None:
    market.switches = replace(market.switches, answer_seconds=0.5)
    [order_id] = put_orders(market, 1)

    async with residing():
        await cancel(database_url, order_id)
        await until(database_url, "SELECT 1 FROM app.emag_order_leases", lambda rows: bool(rows))

    await until(database_url, STATES, all_synced(1))
    await until(database_url, "SELECT 1 FROM app.emag_order_leases", lambda rows: not rows)


async def test_more_cancellations_than_may_go_unasked_are_left_alone(
    database_url: str, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAG_CANCELLATIONS_PAUSE_ABOVE", "2")
    monkeypatch.setattr(resident, "LONGEST_PAUSE", 0.5)
    orders = put_orders(market, 3)
    for order_id in orders:
        await cancel(database_url, order_id)

    async with residing():
        await until(database_url, STATES, lambda rows: len(rows) == 3)
        await asyncio.sleep(2)
        assert market.journal.effects == []
        with psycopg.connect(database_url) as connection:
            connection.execute(
                "UPDATE app.cancellation_requests SET status = 'rejected'"
                " WHERE id = (SELECT min(id) FROM app.cancellation_requests)"
            )
        await until(
            database_url,
            STATES,
            lambda rows: [row["state"] for row in rows] == ["withdrawn", "synced", "synced"],
        )


async def test_of_cancellations_that_come_one_by_one_no_more_go_unasked_in_an_hour(
    database_url: str, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAG_CANCELLATIONS_PAUSE_ABOVE", "2")
    monkeypatch.setattr(resident, "LONGEST_PAUSE", 0.2)
    first, second, third, fourth = put_orders(market, 4)

    async with residing():
        for count, order_id in enumerate((first, second), 1):
            await cancel(database_url, order_id)
            await until(database_url, STATES, all_synced(count))
        await cancel(database_url, third)
        await until(database_url, STATES, lambda rows: len(rows) == 3)
        await asyncio.sleep(2)
        assert market.orders.get(third)["status"] == 2  # type: ignore[index]

        await sync_cancellations(CancellationParameters(unasked=True))
        await until(database_url, STATES, all_synced(3))
        await cancel(database_url, fourth)
        await until(database_url, STATES, all_synced(4))


async def test_what_a_person_was_asked_about_is_left_alone_however_few_it_is_until_approved(
    database_url: str, market: Market, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAG_CANCELLATIONS_PAUSE_ABOVE", "2")
    monkeypatch.setattr(resident, "LONGEST_PAUSE", 0.2)
    [order_id] = put_orders(market, 1)
    await note_asked(engine, "main", [1])
    await cancel(database_url, order_id)

    async with residing():
        await until(database_url, STATES, lambda rows: [row["id"] for row in rows] == [1])
        await asyncio.sleep(2)
        assert market.journal.effects == []
        await forget_asked(engine, "main")
        await until(database_url, STATES, all_synced(1))
