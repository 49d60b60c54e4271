"""Cancellations that nothing is done about before a person has spoken: how many, why, what to do.

What is not approved in the ERP is read from the books alone. How many are due at once is counted as
a run would, and only where there may be too many of them: that takes as long as the run's question.
Prefect is asked then, too, whether a run waits for the answer: one that did may be gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from flows.approving import EVERY_ACCOUNT, Suspended, command
from integrations.erp.connection import Connection
from integrations.ledger.matters import NONE_HELD, any_asked, held_of, most_due

if TYPE_CHECKING:
    from flows.pausing import Question
    from integrations.settings import Settings

APPROVE_EACH = "set each to approved in the ERP to have it carried to eMAG, or to rejected"
REJECT = "; reject in the ERP what is not to be cancelled"


@dataclass(frozen=True)
class Approval:
    """Cancellations that wait for a person's word.

    Attributes:
        account: whose they are; "all" where the ERP's rows were not told apart.
        since: when the ERP made the oldest; None where that is not known.
        reason, remedy: why they wait, and what lets them go.
    """

    account: str
    rows: int
    since: datetime | None
    reason: str
    remedy: str


async def approvals_of(connection: Connection, settings: Settings) -> list[Approval]:
    """What waits now, over a connection in autocommit.

    Raises:
        psycopg.Error, DatabaseUnreachableError: the database does not answer.
    """
    found = []
    held = await held_of(connection) if settings.cancellations_require_approval else NONE_HELD
    if held.rows:
        reason = (
            f"{_cancellations(held.rows)} pending in the ERP, and"
            " EMAG_CANCELLATIONS_REQUIRE_APPROVAL=true lets only approved ones go"
        )
        found.append(Approval(EVERY_ACCOUNT, held.rows, held.since, reason, APPROVE_EACH))
    return found + await _questions(connection, settings)


async def _questions(connection: Connection, settings: Settings) -> list[Approval]:
    asked = await _asked(connection, settings)
    if not asked:
        return []
    from flows.suspended import NotKnownError, suspended_runs

    runs: Sequence[Suspended] | NotKnownError
    try:
        runs = await suspended_runs()
    except NotKnownError as error:
        runs = error
    only = len(settings.accounts) == 1
    return [
        Approval(
            account,
            question.rows,
            None,
            str(question),
            _how(account, runs, command(EVERY_ACCOUNT if only else account, "--yes")) + REJECT,
        )
        for account, question in asked.items()
    ]


def _how(account: str, runs: Sequence[Suspended] | Exception, approving: str) -> str:
    """How a person lets an account's cancellations go."""
    if isinstance(runs, Exception):
        return (
            f"approve with {approving}, or where Prefect has suspended a run for it press Resume on"
            f" that run ({runs}, so none was looked for)"
        )
    names = [run.name for run in runs if run.asks_about(account)]
    if not names:
        return (
            "no run of cancellation-sync is suspended for it now: the next one asks, or approve"
            f" with {approving}"
        )
    return f"press Resume on the suspended run {names[0]} in Prefect, or approve with {approving}"


async def _asked(connection: Connection, settings: Settings) -> Mapping[str, Question]:
    above = settings.cancellations_pause_above
    if not above or not settings.accounts:
        return {}
    if await most_due(connection) <= above and not await any_asked(connection):
        return {}
    from flows.pausing import open_questions

    return await open_questions()


def _cancellations(rows: int) -> str:
    return "1 cancellation is" if rows == 1 else f"{rows} cancellations are"
