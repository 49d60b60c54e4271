"""`emag-flows backfill`: bring in what happened at eMAG before the installation."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from flows.cli.as_flow import as_flow, leave
from flows.cli.console import begin, console, print_json, table
from flows.cli.run import though_unreachable, through_prefect
from flows.parameters import BackfillParameters
from flows.wording import counted

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from flows.history import History
    from integrations.sync.backfill import Course, Watch

_DEFAULT_IN_FLIGHT = BackfillParameters.model_fields["max_in_flight"].default

Day = Annotated[
    datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day, in the platform's time.")
]
LastDay = Annotated[
    datetime, typer.Option(formats=["%Y-%m-%d"], help="The last day; today at the latest.")
]


def backfill(
    since: Day,
    until: LastDay,
    account: Annotated[str, typer.Option(help="One account by name, or all.")] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    max_in_flight: Annotated[
        int, typer.Option(help="Requests under way at once.", min=2, max=16)
    ] = _DEFAULT_IN_FLIGHT,
) -> int:
    """Bring in orders, returns and invoices of the past, as work in the background.

    Stopped by whatever, the same command goes on where it was.
    """
    parameters = _parameters(since, until, account, max_in_flight)
    begin().chosen(account)
    histories = asyncio.run(_fill(parameters))
    if as_json:
        objects = [history.to_json() for history in histories]
        print_json(objects[0] if len(objects) == 1 else objects)
    else:
        _show(console(), histories)
    return leave(max((history.exit_code for history in histories), default=0))


def _parameters(
    since: datetime, until: datetime, account: str, max_in_flight: int
) -> BackfillParameters:
    try:
        return BackfillParameters(
            since=since.date(), until=until.date(), account=account, max_in_flight=max_in_flight
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f"{each}: " for each in first["loc"])
        raise typer.BadParameter(where + first["msg"].removeprefix("Value error, ")) from None


async def _fill(parameters: BackfillParameters) -> list[History]:
    """Run the flow itself or, without a server, the function that it wraps."""
    if through_prefect():
        return await as_flow(partial(_as_flow, parameters), partial(_directly, parameters))
    return await _directly(parameters)


async def _as_flow(parameters: BackfillParameters) -> list[History]:
    import flows

    return await though_unreachable(flows.backfill(**parameters.model_dump()))


async def _directly(parameters: BackfillParameters) -> list[History]:
    from flows.history import fill_history

    # What is imported stays: looking through it for garbage would halt requests in their slots.
    gc.freeze()
    with _progress() as watch:
        return await fill_history(parameters, watch)


@contextmanager
def _progress() -> Iterator[Watch]:
    """A bar for each part of the history on a terminal, lines otherwise; both on standard error."""
    from flows.history import by_slices

    screen = Console(stderr=True, highlight=False)
    if not screen.is_terminal:
        yield by_slices(lambda line: print(line, file=sys.stderr, flush=True))
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("slices, {task.fields[rows]} rows of {task.fields[expected]} counted"),
    )
    with Progress(*columns, console=screen) as progress:
        say = by_slices(lambda line: progress.console.print(line) if "goes on" in line else None)
        yield _bars(progress, say)


def _bars(progress: Progress, say: Watch) -> Watch:
    bars: dict[tuple[str, str], TaskID] = {}

    def watch(course: Course) -> None:
        key = course.account, course.stream.name
        rows, expected = course.rows, max(course.rows, course.expected)
        if key not in bars:
            called = f"{course.account}: {course.stream.called}"
            bars[key] = progress.add_task(
                called, total=len(course.slices), rows=rows, expected=expected
            )
        progress.update(bars[key], completed=course.stored, rows=rows, expected=expected)
        say(course)

    return watch


def _show(screen: Console, histories: Sequence[History]) -> None:
    for history in histories:
        screen.print(
            table(
                f"backfill, account {history.account}, {history.since} to {history.until}",
                ["what", "rows", "slices stored", "of", "stored before"],
                [
                    (
                        course.stream.called,
                        course.rows,
                        course.stored,
                        len(course.slices),
                        course.resumed,
                    )
                    for course in history.courses
                ],
            )
        )
        if history.problems:
            screen.print(table("Needs a person", ["what", "why"], history.problems))
        brought = ", ".join(f"{count} {what.value}" for what, count in history.brought.items())
        requests = sum(history.requests.values())
        screen.print(
            f"the ERP's rows: {brought or 'none touched'};"
            f" {counted(requests, 'request')},"
            f" throttled {counted(history.throttled, 'time')}, {history.seconds:.1f} s"
        )
        if history.unreachable:
            screen.print(
                f"eMAG could not be worked with: {history.unreachable};"
                " the same command goes on from here",
                style="red",
            )
