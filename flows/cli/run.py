"""`emag-flows run`: a sync or the health check, now, through Prefect where there is a server."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from functools import partial
from inspect import signature
from typing import Annotated, TypeVar

import typer

from flows.cli.as_flow import as_flow, leave, prepare
from flows.cli.console import begin, console, print_json
from flows.cli.reports import show_plans, show_report
from flows.parameters import (
    CancellationParameters,
    Direction,
    HealthParameters,
    SyncParameters,
)
from flows.report import Report


class What(StrEnum):
    """The syncs that carry rows."""

    RMA = "rma"
    CANCELLATIONS = "cancellations"
    INVOICES = "invoices"


Ended = TypeVar("Ended")

_DEFAULTS = SyncParameters()

Account = Annotated[str, typer.Option(help="One account by name, or all.")]
Way = Annotated[Direction, typer.Option(help="Which way changes are carried.")]
Limit = Annotated[
    int,
    typer.Option(
        help="At most this many ERP rows are claimed per account; a dry run lists no more either"
        " way.",
        min=1,
        max=1_000_000,
    ),
]
InFlight = Annotated[int, typer.Option(help="Requests under way at once.", min=1, max=16)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; do nothing.")]
Yes = Annotated[
    bool,
    typer.Option("--yes", help="Let all cancellations go that are due, however many."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

run = typer.Typer(
    add_completion=False,
    help="Run a sync or the health check now: through Prefect when PREFECT_API_URL is set and"
    " answers, otherwise directly.",
)


def _command(what: What) -> Callable[..., int]:
    def command(
        account: Account = _DEFAULTS.account,
        direction: Way = _DEFAULTS.direction,
        limit: Limit = _DEFAULTS.limit,
        dry_run: DryRun = False,
        as_json: Json = False,
        max_in_flight: InFlight = _DEFAULTS.max_in_flight,
        yes: Yes = False,
    ) -> int:
        begin().chosen(account)
        parameters = CancellationParameters(
            account=account,
            direction=direction,
            limit=limit,
            dry_run=dry_run,
            max_in_flight=max_in_flight,
            unasked=yes,
        )
        reports = asyncio.run(_carry(what, parameters))
        _show(reports, as_json)
        return leave(max((report.exit_code for report in reports), default=0))

    if what is not What.CANCELLATIONS:
        _withhold(command, "yes")
    return command


def _withhold(command: Callable[..., int], option: str) -> None:
    """Let a command neither show nor take an option: it keeps its default."""
    whole = signature(command, eval_str=True)
    kept = [each for name, each in whole.parameters.items() if name != option]
    vars(command)["__signature__"] = whole.replace(parameters=kept)


_HELP = {
    What.RMA: "Carry returns: the ERP's decisions to eMAG, eMAG's news into the ERP.",
    What.CANCELLATIONS: "Carry cancellations and refunds to eMAG, and eMAG's into the ERP.",
    What.INVOICES: "Attach invoices to their orders at eMAG, and bring payments in.",
}
for _what, _help in _HELP.items():
    run.command(_what.value, help=_help)(_command(_what))


@run.command("health")
def health(account: Account = "all", as_json: Json = False) -> int:
    """Check the database, the capture of changes, eMAG's answer and what has been lying about."""
    from flows.cli.health import check

    begin().chosen(account)
    return leave(asyncio.run(check(HealthParameters(account=account), as_json, through_prefect())))


def through_prefect() -> bool:
    """Whether a Prefect server is named and answers; says in one line which way the run takes."""
    url = os.environ.get("PREFECT_API_URL", "")
    if not url:
        _say("PREFECT_API_URL is not set: running directly, without Prefect")
        return False
    if not _answers(url):
        _say("PREFECT_API_URL does not answer: running directly, without Prefect")
        return False
    _say("running as a flow of the Prefect server at PREFECT_API_URL")
    prepare()
    return True


def _answers(url: str) -> bool:
    import httpx

    try:
        return httpx.get(f"{url.rstrip('/')}/health", timeout=2).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


async def _carry(what: What, parameters: CancellationParameters) -> list[Report]:
    """Run the flow itself or, without a server, the function that it wraps."""
    directly = partial(_directly, what, parameters)
    if through_prefect():
        return await as_flow(partial(_as_flow, what, parameters), directly)
    return await directly()


async def _as_flow(what: What, parameters: CancellationParameters) -> list[Report]:
    import flows

    as_flow = {
        What.RMA: flows.rma_sync,
        What.CANCELLATIONS: flows.cancellation_sync,
        What.INVOICES: flows.invoice_sync,
    }
    own = set() if what is What.CANCELLATIONS else {"unasked"}
    return await though_unreachable(as_flow[what](**parameters.model_dump(exclude=own)))


async def though_unreachable(flow_run: Awaitable[list[Ended]]) -> list[Ended]:
    """What a flow run has brought about, also where it failed since eMAG could not be worked with.

    What it hands back says so itself.
    """
    from flows.deployed import EmagUnreachableError

    try:
        return await flow_run
    except EmagUnreachableError as unreachable:
        return list(unreachable.ended)


async def _directly(what: What, parameters: CancellationParameters) -> list[Report]:
    from flows.cancellation import sync_cancellations
    from flows.invoice import sync_invoices
    from flows.rma import sync_returns
    from flows.tidings import gather_tidings

    directly = {
        What.RMA: sync_returns,
        What.CANCELLATIONS: sync_cancellations,
        What.INVOICES: sync_invoices,
    }
    reports = await directly[what](parameters)
    if not parameters.dry_run:
        await gather_tidings(parameters.account, heard=False)
    return reports


def _show(reports: Sequence[Report], as_json: bool) -> None:
    if as_json:
        objects = [report.to_json() for report in reports]
        print_json(objects[0] if len(objects) == 1 else objects)
        return
    screen = console()
    for report in reports:
        show_plans(screen, report) if report.dry_run else show_report(screen, report)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
