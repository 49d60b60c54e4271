"""`emag-flows retention`: drop the call record's old days and make the coming ones."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from flows.cli.console import begin, console, table
from flows.parameters import RetentionParameters
from flows.wording import counted
from integrations.ledger.retention import Forgotten

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
    if dry_run:
        screen.print("A dry run: nothing was deleted.")
    else:
        screen.print(_deleted(trimmed.forgotten))
    if trimmed.problem:
        screen.print(trimmed.problem, style="red")
    return IN_USE if trimmed.problem else 0


def _deleted(gone: Forgotten) -> str:
    counts = (
        counted(gone.alarms, "alarm"),
        counted(gone.keys, "idempotency key"),
        counted(gone.differences, "difference"),
    )
    return f"Out of date and deleted: {', '.join(counts)}."
