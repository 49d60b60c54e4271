"""`emag-flows adopt`: queue rows that were there before the installation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated

import typer

from flows.cli.console import begin, console
from flows.wording import counted
from integrations.erp.rows import Kind
from integrations.ledger.adopt import adopt as adopt_rows
from integrations.settings import Settings

# More plans than anybody reads at once.
MOST_PLANS = 1000


def adopt(
    since: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], help="Rows that the ERP created from this day on, UTC."),
    ],
    kind: Annotated[
        list[Kind] | None, typer.Option(help="Only these kinds; may be repeated. Default: all.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done with them; queue nothing.")
    ] = False,
) -> int:
    """Queue rows that capture never saw; what an earlier integration synced stays as it is."""
    if dry_run:
        return asyncio.run(_preview(since.date(), kind or list(Kind)))
    queued = asyncio.run(_adopt(begin(), since.date(), kind or list(Kind)))
    for each, rows in queued.items():
        what_next = "the next run carries them to eMAG" if rows else "none is left to queue"
        console().print(f"{each}: {counted(rows, 'row')} queued; {what_next}")
    return 0


async def _preview(since: date, kinds: Sequence[Kind]) -> int:
    from flows.adoption import preview_adoption
    from flows.cli.reports import show_plans

    begin()
    reports = await preview_adoption(since, kinds, MOST_PLANS)
    for report in reports:
        show_plans(console(), report)
    return max((report.exit_code for report in reports), default=0)


async def _adopt(settings: Settings, since: date, kinds: Sequence[Kind]) -> Mapping[Kind, int]:
    from flows.database import open_database

    async with open_database(settings) as engine:
        return await adopt_rows(engine, since, kinds)
