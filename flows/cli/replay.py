"""`emag-flows replay`: try rows again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from flows.cli.console import begin, console
from flows.wording import counted
from integrations.ledger.replay import Reference
from integrations.ledger.replay import replay as replay_rows
from integrations.settings import Settings

UNKNOWN_ROWS = 1


def replay(
    rows: Annotated[list[str], typer.Argument(help="Rows such as rma:123 cancellation:7.")],
) -> int:
    """Queue rows anew, whatever became of them before; the next run plans them again."""
    try:
        references = [Reference.parse(row) for row in rows]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return asyncio.run(_replay(begin(), list(dict.fromkeys(references))))


async def _replay(settings: Settings, references: Sequence[Reference]) -> int:
    from flows.database import open_database

    async with open_database(settings) as engine:
        unknown = await replay_rows(engine, references)
    screen = console()
    known = len(references) - len(unknown)
    asked = counted(len(references), "row")
    what_next = "; the next run carries them" if known else ""
    screen.print(f"{known} of {asked} queued{what_next}")
    if unknown:
        screen.print(f"nobody knows, so not replayed: {', '.join(map(str, unknown))}")
    return UNKNOWN_ROWS if unknown else 0
