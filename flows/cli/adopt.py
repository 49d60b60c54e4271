"""`emag-flows adopt`: queue rows that were there before the installation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated

import typer

from flows.approvals import APPROVE_EACH
from flows.cli.console import begin, console
from flows.wording import counted
from integrations.erp.rows import Kind
from integrations.ledger.adopt import adopt as adopt_rows
from integrations.ledger.adopt import unapproved
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
    queued, held = asyncio.run(_adopt(begin(), since.date(), kind or list(Kind)))
    for each, rows in queued.items():
        waiting = held if each is Kind.CANCELLATION else 0
        console().print(f"{each}: {counted(rows, 'row')} queued; {_what_next(rows, waiting)}")
    return 0


def _what_next(rows: int, held: int) -> str:
    if not rows and not held:
        return "none is left to queue"
    carried = ["the next run carries them to eMAG"] if rows else []
    waits = f"{counted(held, 'row')} {'waits' if held == 1 else 'wait'} for approval"
    return "; ".join([*carried, *([f"{waits}: {APPROVE_EACH}"] if held else [])])


async def _preview(since: date, kinds: Sequence[Kind]) -> int:
    from flows.adoption import preview_adoption
    from flows.cli.reports import show_plans

    begin()
    reports = await preview_adoption(since, kinds, MOST_PLANS)
    for report in reports:
        show_plans(console(), report)
    return max((report.exit_code for report in reports), default=0)


async def _adopt(
    settings: Settings, since: date, kinds: Sequence[Kind]
) -> tuple[Mapping[Kind, int], int]:
    """How many rows of each kind were queued, and how many cancellations wait for approval."""
    from flows.database import open_database

    strict = settings.cancellations_require_approval
    async with open_database(settings) as engine:
        queued = await adopt_rows(engine, since, kinds, require_approval=strict)
        counts = strict and Kind.CANCELLATION in kinds
        return queued, await unapproved(engine, since) if counts else 0
