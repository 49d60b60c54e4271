"""`emag-flows retention`: drop the call record's old days and make the coming ones."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from flows.cli.console import begin, console, table
from flows.parameters import RetentionParameters

IN_USE = 1


def retention(
    days: Annotated[int, typer.Option(help="Calls are kept so long.", min=30, max=3650)] = 30,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be dropped.")
    ] = False,
) -> int:
    """Drop days of the call record that are older than that; eMAG asks to keep 30."""
    from flows.artifacts import retention_table
    from flows.call_record import trim_call_record

    begin()
    trimmed = asyncio.run(trim_call_record(RetentionParameters(days=days, dry_run=dry_run)))
    lines = retention_table(trimmed)
    screen = console()
    rows = [tuple(line.values()) for line in lines]
    screen.print(table("Old days of the call record", list(lines[0]), rows))
    gone = trimmed.forgotten
    screen.print(
        "A dry run: nothing was deleted."
        if dry_run
        else f"Out of date and deleted: {gone.alarms} alarms, {gone.keys} idempotency keys,"
        f" {gone.differences} differences."
    )
    if trimmed.problem:
        screen.print(trimmed.problem, style="red")
    return IN_USE if trimmed.problem else 0
