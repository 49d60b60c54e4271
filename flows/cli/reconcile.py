"""`emag-flows reconcile`: compare eMAG with the ERP, and certify it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from flows.cli.as_flow import as_flow, leave
from flows.cli.console import begin, console, print_json, table
from flows.cli.run import though_unreachable, through_prefect
from flows.parameters import ReconcileParameters
from flows.wording import counted

if TYPE_CHECKING:
    from flows.reconciliation import Reconciled
    from integrations.ledger.certificates import Certificate, Listed

_DEFAULTS = ReconcileParameters()

Day = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="The first day, in the platform's time."),
]
LastDay = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day; by default today.")
]
Minutes = Annotated[
    float,
    typer.Option(
        help="What differs is believed when it differs again after so many minutes.",
        min=0,
        max=120,
    ),
]


def reconcile(
    account: Annotated[str, typer.Option(help="One account by name, or all.")] = _DEFAULTS.account,
    since: Day = None,
    until: LastDay = None,
    recount_minutes: Minutes = _DEFAULTS.recount_minutes,
    wait: Annotated[
        bool, typer.Option(help="Wait for the second look, or leave it to the next run.")
    ] = _DEFAULTS.wait,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> int:
    """Compare eMAG with the ERP by account, day and status; by default the last four weeks.

    What differs is put right or explained; what nothing explains is shown.
    """
    parameters = _parameters(account, _day(since), _day(until), recount_minutes, wait)
    begin().chosen(account)
    results = asyncio.run(_reconcile(parameters))
    if as_json:
        objects = [result.to_json() for result in results]
        print_json(objects[0] if len(objects) == 1 else objects)
    else:
        _show(console(), results)
    return leave(max((result.exit_code for result in results), default=0))


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _parameters(
    account: str, since: date | None, until: date | None, minutes: float, wait: bool
) -> ReconcileParameters:
    try:
        return ReconcileParameters(
            account=account, since=since, until=until, recount_minutes=minutes, wait=wait
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f"{each}: " for each in first["loc"])
        raise typer.BadParameter(where + first["msg"].removeprefix("Value error, ")) from None


async def _reconcile(parameters: ReconcileParameters) -> Sequence[Reconciled]:
    """Run the flow itself or, without a server, the function that it wraps."""
    if through_prefect():
        return await as_flow(partial(_as_flow, parameters), partial(_directly, parameters))
    return await _directly(parameters)


async def _as_flow(parameters: ReconcileParameters) -> Sequence[Reconciled]:
    import flows

    return await though_unreachable(flows.reconcile(**parameters.model_dump()))


async def _directly(parameters: ReconcileParameters) -> Sequence[Reconciled]:
    from flows.reconciliation import reconcile_accounts

    return await reconcile_accounts(
        parameters, lambda line: print(line, file=sys.stderr, flush=True)
    )


def _show(screen: Console, results: Sequence[Reconciled]) -> None:
    for result in results:
        if result.certificate is None:
            screen.print(
                f"account {result.account}: no certificate, eMAG could not be worked with:"
                f" {result.unreachable}; the same command goes on from here",
                style="red",
            )
        else:
            _show_certificate(screen, result.certificate)
        requests = sum(result.requests.values())
        screen.print(f"{counted(requests, 'request')}, {result.seconds:.1f} s")


def _show_certificate(screen: Console, certificate: Certificate) -> None:
    title = (
        f"certificate {certificate.id}, account {certificate.account},"
        f" {certificate.since} to {certificate.until}"
    )
    numbers = [
        (each["listing"], each["status"], each["emag"], each["mirror"])
        for each in certificate.sums()
        if each["emag"] or each["mirror"]
    ]
    screen.print(table(title, ["listing", "status", "at eMAG", "mirrored"], numbers))
    rows = ", ".join(f"{count} {what}" for what, count in sorted(certificate.rows.items()))
    screen.print(f"Compared with the ERP, row by row: {rows or 'nothing was there'}.")
    for line in certificate.compared_how():
        screen.print(line)
    for why, listed in certificate.explained.items():
        _show_listed(screen, f"Explained: {why.value}", listed)
    _show_listed(screen, "Put right", certificate.repaired)
    _show_listed(screen, "Seen once, to be looked at again", certificate.unsure)
    _show_listed(screen, "Unexplained", certificate.unexplained)
    for line in certificate.incomplete:
        screen.print(f"could not be compared: {line}", style="red")
    if certificate.clean:
        screen.print("Nothing is unexplained.", style="green")


def _show_listed(screen: Console, title: str, listed: Listed) -> None:
    if listed.rows:
        shown = [(each.subject, each.text, each.detail) for each in listed.shown]
        screen.print(table(f"{title}: {listed.rows}", ["what", "difference", "detail"], shown))
