"""`emag-flows status`: how many rows stand where; eMAG is asked nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from flows.approvals import Approval, approvals_of
from flows.approving import EVERY_ACCOUNT
from flows.cli.console import begin, console, print_json, table
from flows.database import open_connection
from flows.deadlines import SUBJECTS, due_text
from integrations.emag.accounts import Account
from integrations.erp.rows import Kind
from integrations.ledger.deadlines import Clocks, Hours, clocks_of
from integrations.ledger.patience import answers_within
from integrations.ledger.status import Budget, Status, status_of
from integrations.ledger.unqueued import Unqueued, count_unqueued
from integrations.settings import Settings

# A million rows are looked through in a fraction of it.
PATIENCE_SECONDS = 30.0


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> int:
    """Show open rows by kind, account and state, what is due at eMAG, and the day's traffic."""
    return asyncio.run(_status(begin(log_to_file=False), as_json))


async def _status(settings: Settings, as_json: bool) -> int:
    async with (
        open_connection(settings) as connection,
        answers_within(connection.driver, PATIENCE_SECONDS),
    ):
        found = await status_of(connection)
        before = await count_unqueued(connection)
        accounts, hours = list(settings.accounts.values()), Hours(**settings.hours())
        clocks = await clocks_of(connection, accounts, hours)
        approvals = await approvals_of(connection, settings)
        if settings.cancellations_require_approval:
            before[Kind.CANCELLATION] = _without_held(before[Kind.CANCELLATION], approvals)
    if as_json:
        more = {
            "adoptable": {kind: each.rows for kind, each in before.items()},
            "estimated": sorted(kind for kind, each in before.items() if each.estimated),
            "deadlines": clocks,
            "approvals": approvals,
            "bodies": _bodies(settings),
        }
        budgets = [_budget(each, accounts) for each in found.budgets]
        print_json({**vars(found), "budgets": budgets, **more})
        return 0
    screen = console()
    _show_rows(screen, found)
    _show_approvals(screen, approvals)
    _show_deadlines(screen, clocks)
    _show_traffic(screen, found, accounts)
    _show_bodies(screen, settings)
    earlier = ", ".join(
        f"{'about ' if each.estimated else ''}{each.rows} {kind}"
        for kind, each in before.items()
        if each.rows
    )
    if earlier:
        screen.print(
            f"From before the installation: {earlier}; `emag-flows adopt --since DATE` queues them."
        )
    return 0


def _show_rows(screen: Console, found: Status) -> None:
    rows: Sequence[Sequence[object]] = [
        (each.kind, each.account, each.state, each.waiting_for, each.rows, each.since)
        for each in found.counts
    ]
    if rows:
        columns = ["kind", "account", "state", "waits for", "rows", "oldest since"]
        screen.print(table("Open rows", columns, rows))
    else:
        screen.print("No row is pending, waiting, in doubt or refused.")
    if found.changes:
        screen.print(f"{found.changes} changes of the ERP are captured and not yet queued.")
    if found.write_backs:
        screen.print(f"{found.write_backs} answers are still to be written into the ERP's rows.")


def _without_held(before: Unqueued, approvals: Sequence[Approval]) -> Unqueued:
    """What waits for approval is no row from before: adopting it would come to nothing."""
    held = sum(each.rows for each in approvals if each.account == EVERY_ACCOUNT)
    return replace(before, rows=max(0, before.rows - held))


def _show_approvals(screen: Console, approvals: Sequence[Approval]) -> None:
    for each in approvals:
        whose = "" if each.account == EVERY_ACCOUNT else f"Account {each.account}: "
        screen.print(f"{whose}{each.reason}.", style="yellow", soft_wrap=True)
        screen.print(f"What to do: {each.remedy}.", soft_wrap=True)


def _show_deadlines(screen: Console, clocks: Sequence[Clocks]) -> None:
    if clocks:
        rows = [
            (
                each.account,
                SUBJECTS[each.about],
                each.late,
                each.within_24_hours,
                each.within_72_hours,
                "\n".join(map(due_text, each.next)),
            )
            for each in clocks
        ]
        columns = ["account", "what", "late", "within 24 h", "within 72 h", "next"]
        screen.print(table("Due at eMAG", columns, rows))


def _budget(budget: Budget, accounts: Sequence[Account]) -> Mapping[str, object]:
    shown = {name: each for name, each in vars(budget).items() if name != "login"}
    return {**shown, "accounts": budget.accounts(accounts)}


def _show_traffic(screen: Console, found: Status, accounts: Sequence[Account]) -> None:
    if found.traffic:
        rows = [
            (
                each.account,
                each.last_applied,
                each.open,
                each.throttled,
                each.trouble_at,
                each.last_trouble,
            )
            for each in found.traffic
        ]
        columns = ["account", "last well", "open", "throttled", "last trouble", "which"]
        screen.print(table("Requests of the last day", columns, rows))
    for each in found.budgets:
        if each.down_since:
            what = f"{each.name(accounts)}: {each.down_detail or 'it does not answer'}"
            since = f"{each.down_since.astimezone():%Y-%m-%d %H:%M:%S}"
            screen.print(f"eMAG counts as down since {since}; {what}", style="red")
    ahead = [f"{each.name(accounts)} {each.ahead:.1f} s" for each in found.budgets if each.ahead]
    if ahead:
        screen.print(f"Request budget reserved ahead: {', '.join(ahead)}.")


def _bodies(settings: Settings) -> str:
    return "sealed" if settings.calls_key else "redacted"


def _show_bodies(screen: Console, settings: Settings) -> None:
    if settings.calls_key:
        screen.print("The call record keeps bodies whole, sealed with EMAG_CALLS_KEY.")
    else:
        screen.print(
            "The call record keeps bodies redacted; set EMAG_CALLS_KEY to seal them whole."
        )
        screen.print("A key: head -c 32 /dev/urandom | base64 | tr +/ -_")
