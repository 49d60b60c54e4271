"""`emag-flows inbox`: what needs a person, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from flows.approvals import Approval, approvals_of
from flows.cli.console import begin, console, print_json, table
from flows.database import open_connection
from flows.deadlines import REMEDIES, subject_of
from integrations.erp.connection import Connection
from integrations.ledger.alarms import alarms_of
from integrations.ledger.deadlines import Deadline, Hours
from integrations.ledger.matters import Difference, Parked, differences_of, parked_of
from integrations.ledger.status import InboxEntry, inbox_of
from integrations.settings import Settings

PARKED_REMEDY = "do what the reason says; it is tried again by itself"
DIFFERENCE_REMEDY = "correct the side that is wrong; the next comparison looks again"


@dataclass(frozen=True)
class Matter:
    """Something beside the ERP's rows that a person must look at.

    It has the fields that a row in the inbox has, and more; `row_id` is always null. `kind` is
    approval, alarm, parked or difference; `subject` names what it is about.
    """

    kind: str
    subject: str
    account: str
    state: str
    since: datetime | None
    reason: str
    remedy: str
    order_id: int | None = None
    attempts: int = 0
    row_id: int | None = None
    waiting_for: str | None = None


def inbox(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    limit: Annotated[
        int, typer.Option(help="At most this many rows of each kind.", min=1, max=1_000_000)
    ] = 200,
) -> int:
    """List what needs a person and why: rows, approvals, deadlines, parked news, differences."""
    return asyncio.run(_inbox(begin(log_to_file=False), as_json, limit))


async def _inbox(settings: Settings, as_json: bool, limit: int) -> int:
    async with open_connection(settings) as connection:
        entries = await inbox_of(connection, limit)
        matters = await _matters(connection, settings, limit)
    if as_json:
        print_json([*entries, *matters])
        return 0
    screen = console()
    if not entries and not matters:
        screen.print("The inbox is empty.")
    if entries:
        _show_rows(screen, entries)
    if matters:
        _show_matters(screen, matters)
    return 0


async def _matters(connection: Connection, settings: Settings, limit: int) -> list[Matter]:
    accounts = list(settings.accounts.values())
    alarms = await alarms_of(connection, accounts, Hours(**settings.hours()), limit)
    parked = await parked_of(connection, accounts, limit)
    differences = await differences_of(connection, accounts, limit)
    now = datetime.now(UTC)
    return [
        *map(_approval, await approvals_of(connection, settings)),
        *(_alarm(each, now) for each in alarms),
        *map(_parked, parked),
        *map(_difference, differences),
    ]


def _approval(approval: Approval) -> Matter:
    return Matter(
        kind="approval",
        subject=f"cancellations: {approval.rows}",
        account=approval.account,
        state="waiting",
        since=approval.since,
        reason=approval.reason,
        remedy=approval.remedy,
        waiting_for="person",
    )


def _alarm(alarm: Deadline, now: datetime) -> Matter:
    late = alarm.due_at <= now
    return Matter(
        kind="alarm",
        subject=subject_of(alarm),
        account=alarm.account,
        state="late" if late else "due",
        since=alarm.due_at,
        reason=f"eMAG {'waited' if late else 'waits'} until then",
        remedy=REMEDIES[alarm.about],
        order_id=alarm.order_id,
    )


def _parked(news: Parked) -> Matter:
    return Matter(
        kind="parked",
        subject=f"{news.entity} {news.subject}",
        account=news.account,
        state="parked",
        since=news.since,
        reason=news.reason,
        remedy=PARKED_REMEDY,
        order_id=news.order_id,
        attempts=news.attempts,
    )


def _difference(difference: Difference) -> Matter:
    return Matter(
        kind="difference",
        subject=difference.subject,
        account=difference.account,
        state="differs",
        since=difference.since,
        reason=difference.reason,
        remedy=DIFFERENCE_REMEDY,
        attempts=difference.times,
    )


def _show_rows(screen: Console, entries: Sequence[InboxEntry]) -> None:
    columns = ["row", "eMAG order", "account", "state", "since", "why"]
    rows = [
        (
            f"{each.kind}:{each.row_id}",
            each.order_id,
            each.account,
            each.state,
            each.since,
            each.reason,
        )
        for each in entries
    ]
    screen.print(table("Needs a person", columns, rows))
    screen.print("Change the row in the ERP, or try it again as it is: emag-flows replay ROW")


def _show_matters(screen: Console, matters: Sequence[Matter]) -> None:
    columns = ["what", "account", "state", "since or until", "why", "what to do"]
    rows = [
        (each.subject, each.account, each.state, each.since, each.reason, each.remedy)
        for each in matters
    ]
    screen.print(table("Beside the rows", columns, rows))
