"""`emag-flows replay`: try rows again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from flows.approvals import APPROVE_EACH
from flows.cli.console import begin, console
from flows.wording import counted
from integrations.erp.rows import Kind
from integrations.ledger.passed_over import PassedOver, passed_over
from integrations.ledger.replay import Reference
from integrations.ledger.replay import replay as replay_rows
from integrations.settings import Settings

NOT_QUEUED = 1

# What lets a row of a kind go that is not asked for in its status.
WHEN_QUEUED = {
    Kind.CANCELLATION: "approved",
    Kind.INVOICE: "issued, sent, paid or overdue",
}


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

    strict = settings.cancellations_require_approval
    async with open_database(settings) as engine:
        passed = await passed_over(engine, references, require_approval=strict)
        left = {each.row for each in passed}
        unknown = await replay_rows(engine, [each for each in references if each not in left])
    screen = console()
    queued = len(references) - len(unknown) - len(passed)
    asked = counted(len(references), "row")
    what_next = "; the next run carries them" if queued else ""
    screen.print(f"{queued} of {asked} queued{what_next}")
    for each in passed:
        screen.print(_why_not(each), soft_wrap=True)
    if unknown:
        screen.print(f"nobody knows, so not replayed: {', '.join(map(str, unknown))}")
    return NOT_QUEUED if unknown or passed else 0


def _why_not(passed: PassedOver) -> str:
    if passed.unapproved:
        return f"waits for approval, so not replayed: {passed.row}; {APPROVE_EACH}"
    return (
        f"not meant for eMAG, so not replayed: {passed.row} is {passed.status or 'without status'};"
        f" it is carried once the ERP has it as {WHEN_QUEUED[passed.row.kind]}"
    )
