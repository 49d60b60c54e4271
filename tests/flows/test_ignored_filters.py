"""Where doctor saw eMAG ignore filters, nothing is asked of it until doctor sees them honoured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Any

import pytest

from flows.cancellation import sync_cancellations
from flows.doctor import examine
from flows.health import check_health
from flows.history import fill_history
from flows.invoice import sync_invoices
from flows.parameters import (
    BackfillParameters,
    CancellationParameters,
    Direction,
    HealthParameters,
    ReconcileParameters,
    SyncParameters,
)
from flows.reconciliation import reconcile_accounts
from flows.rma import sync_returns
from integrations.ledger.database import rolled_back
from integrations.ledger.engine import Engine
from integrations.sandbox.market import Market
from integrations.sandbox.switches import Switches
from tests.flows.test_resident import STATES, all_synced, cancel, come, put_orders, residing, until

pytestmark = pytest.mark.usefixtures("configured")

DAY = date(2026, 11, 1)

Run = Callable[[], Awaitable[Sequence[Any]]]
RUNS: Mapping[str, Run] = {
    "returns": lambda: sync_returns(SyncParameters()),
    "cancellations": lambda: sync_cancellations(CancellationParameters()),
    "invoices": lambda: sync_invoices(SyncParameters()),
    "the way in": lambda: sync_returns(SyncParameters(direction=Direction.IN)),
    "a dry run": lambda: sync_cancellations(CancellationParameters(dry_run=True)),
    "reconcile": lambda: reconcile_accounts(ReconcileParameters(recount_minutes=0)),
    "backfill": lambda: fill_history(BackfillParameters(since=DAY, until=DAY)),
}

REMEDY = "run doctor again"


@pytest.fixture
async def order_id(market: Market, database_url: str) -> int:
    """An order that the ERP has cancelled, where first contact saw filters ignored."""
    [order_id] = put_orders(market, 1)
    await cancel(database_url, order_id)
    market.switches = Switches(ignored_filters=frozenset({"id"}))
    await examine("all")
    return order_id


async def see_filters_honoured(market: Market) -> None:
    market.switches = Switches()
    await examine("all")


@pytest.mark.parametrize("run", RUNS)
async def test_no_run_asks_emag_anything(run: str, order_id: int, market: Market) -> None:
    asked = len(market.journal.requests)

    [report] = await RUNS[run]()

    assert "ignore the filters" in report.unreachable
    assert REMEDY in report.unreachable
    assert report.exit_code == 3
    assert len(market.journal.requests) == asked
    assert market.orders.get(order_id)["status"] == 2  # type: ignore[index]


async def test_the_health_check_says_so(order_id: int, market: Market) -> None:
    asked = len(market.journal.requests)

    found = {each.name: each for each in await check_health(HealthParameters())}

    assert not found["eMAG answers account main"].ok
    assert REMEDY in found["eMAG answers account main"].detail
    assert len(market.journal.requests) == asked


async def test_a_sync_goes_on_once_doctor_has_seen_them_honoured_and_no_attempt_is_lost(
    order_id: int, market: Market, engine: Engine
) -> None:
    await RUNS["cancellations"]()
    await see_filters_honoured(market)

    [report] = await RUNS["cancellations"]()

    assert (report.exit_code, report.unreachable) == (0, None)
    assert market.orders.get(order_id)["status"] == 0  # type: ignore[index]
    async with rolled_back(engine) as connection:
        [books] = await connection.execute(
            "SELECT sync_state, sync_attempts FROM app.emag_cancellation_integrations"
        )
    assert tuple(books) == ("synced", 0)


async def test_the_resident_loop_learns_of_both_while_it_lives(
    market: Market, database_url: str
) -> None:
    first, second = put_orders(market, 2)
    async with residing() as loop:
        await cancel(database_url, first)
        await until(database_url, STATES, all_synced(1))
        market.switches = Switches(ignored_filters=frozenset({"id"}))
        await examine("all")
        await cancel(database_url, second)
        await come(lambda: any(REMEDY in each for each in loop.vitals.complaints))
        assert market.orders.get(second)["status"] == 2  # type: ignore[index]

        await see_filters_honoured(market)
        await until(database_url, STATES, all_synced(2))

    assert market.journal.violations() == []
