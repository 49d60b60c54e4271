"""Whether everything that the syncs stand on is as it must be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from flows.parameters import HealthParameters
from flows.shop import Shop, open_channel, open_shop
from integrations.emag.routes import ORDER_COUNT
from integrations.ledger.books import State
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.calls import Subject
from integrations.ledger.check import Finding, check_database
from integrations.ledger.status import Count, Status, read_status
from integrations.ledger.sweep import Sweep, last_sweep
from integrations.sync.ask import ReadRefusedError, ask
from integrations.sync.channel import Channel
from integrations.sync.outage import OutageError

# A bucket reserved further ahead than this has been pushed back by eMAG, or by a clock that jumped.
STUCK_BUDGET = 60.0


async def check_health(parameters: HealthParameters) -> list[Finding]:
    """Everything that was looked at, in the order of what stands on what.

    Raises:
        ConfigurationError, DatabaseUnreachableError: there is nothing to look at.
    """
    async with open_shop(parameters.account) as shop:
        findings = list(await check_database(shop.engine))
        findings += [finding async for finding in _check_accounts(shop)]
        status = await read_status(shop.engine)
        swept = _check_sweep(await last_sweep(shop.engine))
        return [*findings, swept, *_check_budgets(status), *_check_rows(status, parameters)]


async def _check_accounts(shop: Shop) -> AsyncIterator[Finding]:
    for account in shop.accounts:
        async with open_channel(shop, account, max_in_flight=1) as channel:
            yield await _check_account(channel)


async def _check_account(channel: Channel) -> Finding:
    """One cheap read: eMAG answers and takes the credentials."""
    name = f"eMAG answers account {channel.account.name}"
    try:
        await ask(channel, ORDER_COUNT, {"status": [1], "type": 3}, Subject())
    except (OutageError, BudgetBusyError, ReadRefusedError) as stopped:
        return Finding(name, False, str(stopped), "see the detail")
    return Finding(name, True, f"platform {channel.account.platform}", "")


def _check_sweep(swept: Sweep | None) -> Finding:
    """Whether a change reached nobody until the daily look at the newest rows found it."""
    name = "every change was captured"
    if swept is None:
        return Finding(name, True, "not looked yet", "")
    detail = f"{swept.found} found at {swept.at:%Y-%m-%d %H:%M} UTC that no trigger had captured"
    return Finding(name, swept.found == 0, detail, "see `emag-flows db check`; they are queued now")


def _check_budgets(status: Status) -> list[Finding]:
    return [
        Finding(
            name=f"request budget {budget.platform} {budget.bucket}",
            ok=budget.ahead <= STUCK_BUDGET,
            detail=f"reserved {budget.ahead:.1f} s ahead, {budget.throttled} times throttled",
            remedy="set next_free_at of its row in app.emag_rate_limits to now()",
        )
        for budget in status.budgets
    ]


def _check_rows(status: Status, parameters: HealthParameters) -> list[Finding]:
    limits = {
        State.PENDING: timedelta(minutes=parameters.pending_minutes),
        State.IN_DOUBT: timedelta(minutes=parameters.doubt_minutes),
        State.REFUSED: timedelta(days=parameters.refused_days),
    }
    return [_check_age(state, limit, status.counts) for state, limit in limits.items()]


def _check_age(state: State, limit: timedelta, counts: Sequence[Count]) -> Finding:
    concerned = [count for count in counts if count.state is state]
    rows = sum(count.rows for count in concerned)
    oldest = min((count.since for count in concerned if count.since), default=None)
    age = datetime.now(UTC) - oldest if oldest else timedelta()
    return Finding(
        name=f"no row is {state.value.replace('_', ' ')} for longer than {_span(limit)}",
        ok=age <= limit,
        detail=f"{rows} rows, the oldest for {_span(age)}" if rows else "none",
        remedy="see `emag-flows inbox` and `emag-flows status`",
    )


def _span(duration: timedelta) -> str:
    minutes = int(duration.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"
