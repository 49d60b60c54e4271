"""Whether everything that the syncs stand on is as it must be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import errors

from flows.deadlines import REMEDIES, SUBJECTS, counts_text, due_text
from flows.parameters import HealthParameters
from flows.shop import Shop, open_channel, open_shop
from flows.wording import counted
from integrations.emag.accounts import Account
from integrations.emag.routes import ORDER_COUNT
from integrations.erp.connection import Connection
from integrations.erp.rows import Kind
from integrations.ledger.books import State
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.calls import Subject
from integrations.ledger.check import check_database
from integrations.ledger.database import autocommit
from integrations.ledger.deadlines import Clocks, Hours, clocks_of
from integrations.ledger.drift import Drift, lately_met
from integrations.ledger.findings import UPGRADE, Finding
from integrations.ledger.matters import LongParked, long_parked
from integrations.ledger.standstill import Standstill, still_cursors
from integrations.ledger.status import Count, Status, read_status
from integrations.ledger.sweep import Sweep, last_sweep
from integrations.settings import redacted
from integrations.sync.ask import ReadRefusedError, ask
from integrations.sync.channel import Channel
from integrations.sync.outage import OutageError
from integrations.sync.probe import ask_anew, probe_corrected

# A bucket reserved further ahead than this has been pushed back by eMAG, or by a clock that jumped.
STUCK_BUDGET = 60.0

# The first that fits is what to do about an error of the database.
REMEDIES_OF_ERRORS: Sequence[tuple[type[psycopg.Error], str]] = (
    (errors.InsufficientPrivilege, "grant what `emag-flows db check` lists about rights"),
    (errors.UndefinedTable, UPGRADE),
    (errors.UndefinedColumn, UPGRADE),
    (errors.UndefinedFunction, UPGRADE),
    (errors.UndefinedObject, UPGRADE),
    (errors.InvalidSchemaName, UPGRADE),
    (psycopg.OperationalError, "check DATABASE_URL and the server"),
    (psycopg.Error, "see `emag-flows db check`, and the database server's log"),
)

LONGEST_PARKED = timedelta(days=1)
DRIFT_DAYS = 7


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
        patient = _patient(parameters, shop)
        findings += [
            swept,
            *_check_budgets(status, shop.settings.accounts),
            _check_changes(status, patient, timedelta(seconds=shop.timings.quiet_cap)),
            *_check_rows(status, patient),
        ]
        async with autocommit(shop.engine) as connection:
            return findings + await _check_way_in(connection, shop)


async def _check_way_in(connection: Connection, shop: Shop) -> list[Finding]:
    """What eMAG waits for, and whether its news gets through to the ERP."""
    try:
        return await _way_in(connection, shop)
    except psycopg.Error as error:
        lines = str(error).splitlines() or [type(error).__name__]
        detail = redacted(lines[0], shop.settings.database_url)
        return [Finding("the way in", False, detail, _remedy_of(error))]


def _remedy_of(error: psycopg.Error) -> str:
    return next(remedy for kind, remedy in REMEDIES_OF_ERRORS if isinstance(error, kind))


async def _way_in(connection: Connection, shop: Shop) -> list[Finding]:
    hours = Hours(**shop.settings.hours())
    platforms = sorted({account.platform for account in shop.accounts})
    return [
        *_check_deadlines(await clocks_of(connection, shop.accounts, hours)),
        _check_parked(await long_parked(connection, shop.accounts, LONGEST_PARKED)),
        _check_cursors(await still_cursors(connection, shop.accounts)),
        _note_drift(await lately_met(connection, platforms, DRIFT_DAYS)),
    ]


async def _check_accounts(shop: Shop) -> AsyncIterator[Finding]:
    for account in shop.accounts:
        async with open_channel(shop, account, max_in_flight=1) as channel:
            yield await _check_account(channel)


async def _check_account(channel: Channel) -> Finding:
    """One cheap read: eMAG answers and takes the credentials; one of returns if it refused them."""
    name = f"eMAG answers account {channel.account.name}"
    try:
        await ask_anew(channel, ORDER_COUNT)
        await ask(channel, ORDER_COUNT, {"status": [1], "type": 3}, Subject())
        await probe_corrected(channel, Kind.RMA)
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


def _check_budgets(status: Status, accounts: Mapping[str, Account]) -> list[Finding]:
    return [
        Finding(
            name=f"request budget {budget.name(accounts.values())}",
            ok=budget.ahead <= STUCK_BUDGET,
            detail=(
                f"reserved {budget.ahead:.1f} s ahead,"
                f" {counted(budget.throttled, 'time')} throttled"
            ),
            remedy="set next_free_at of its row in app.emag_rate_limits to now()",
        )
        for budget in status.budgets
    ]


def _check_deadlines(clocks: Sequence[Clocks]) -> list[Finding]:
    if not clocks:
        return [Finding("deadlines at eMAG", True, "none within 72 h", "")]
    return [
        Finding(
            name=f"deadlines at eMAG, account {each.account}: {SUBJECTS[each.about]}",
            ok=not each.late,
            detail="; ".join([counts_text(each), *map(due_text, each.next)]),
            remedy=f"see `emag-flows inbox`; {REMEDIES[each.about]}",
        )
        for each in clocks
    ]


def _check_parked(parked: Sequence[LongParked]) -> Finding:
    return Finding(
        name=f"no news of eMAG's is parked for longer than {_span(LONGEST_PARKED)}",
        ok=not parked,
        detail="; ".join(
            f"account {each.account}: {each.news}, the oldest since {_minute(each.since)}"
            for each in parked
        )
        or "none",
        remedy="see `emag-flows inbox` for what keeps the ERP from taking it",
    )


def _check_cursors(still: Sequence[Standstill]) -> Finding:
    return Finding(
        name="eMAG's news is brought in",
        ok=not still,
        detail="; ".join(
            f"account {each.account}, {each.resource}: nothing since {_minute(each.position)},"
            " although eMAG is read"
            for each in still
        )
        or "no cursor stands still",
        remedy="run a sync with --direction in and see what its log says",
    )


def _note_drift(drift: Sequence[Drift]) -> Finding:
    """No fault: eMAG adds fields without notice."""
    return Finding(
        name="fields of eMAG's that are new",
        ok=True,
        detail="; ".join(f"{each} ({counted(each.seen, 'time')})" for each in drift) or "none",
        remedy="",
    )


def _patient(parameters: HealthParameters, shop: Shop) -> HealthParameters:
    """Where cancellations may wait for a person's word, pending is no fault for the first hour."""
    if not shop.settings.cancellations_pause_above:
        return parameters
    return parameters.model_copy(update={"pending_minutes": max(60, parameters.pending_minutes)})


def _check_changes(status: Status, parameters: HealthParameters, rest: timedelta) -> Finding:
    """Whether runs queue what the ERP changes; a row may rest for so long first."""
    limit = timedelta(minutes=parameters.pending_minutes)
    age = max(timedelta(), status.at - (status.changes_since or status.at))
    changes = counted(status.changes, "change")
    return Finding(
        name=f"no change of the ERP's waits to be queued for longer than {_span(limit)}",
        ok=age <= limit + rest,
        detail=f"{changes}, the oldest for {_span(age)}" if status.changes else "none",
        remedy="see that runs take place, and run a sync such as `emag-flows run rma`, which queues"
        " the changes of every kind or says what is in the way",
    )


def _check_rows(status: Status, parameters: HealthParameters) -> list[Finding]:
    limits = {
        State.PENDING: timedelta(minutes=parameters.pending_minutes),
        State.IN_DOUBT: timedelta(minutes=parameters.doubt_minutes),
        State.REFUSED: timedelta(days=parameters.refused_days),
    }
    return [_check_age(state, limit, status.counts, status.at) for state, limit in limits.items()]


def _check_age(state: State, limit: timedelta, counts: Sequence[Count], now: datetime) -> Finding:
    concerned = [count for count in counts if count.state is state]
    rows = sum(count.rows for count in concerned)
    oldest = min((count.since for count in concerned if count.since), default=None)
    age = now - oldest if oldest else timedelta()
    return Finding(
        name=f"no row is {state.value.replace('_', ' ')} for longer than {_span(limit)}",
        ok=age <= limit,
        detail=f"{counted(rows, 'row')}, the oldest for {_span(age)}" if rows else "none",
        remedy="see `emag-flows inbox` and `emag-flows status`",
    )


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _span(duration: timedelta) -> str:
    minutes = int(duration.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"
