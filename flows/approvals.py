"""Cancellations that nothing is done about before a person has spoken: how many, why, what to do.

What is not approved in the ERP is read from the books alone. How many are due at once is counted as
a run would, and only where there may be too many of them: that takes as long as the run's question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from integrations.ledger.deadlines import Connection
from integrations.ledger.matters import NONE_HELD, held_of, most_due

if TYPE_CHECKING:
    from flows.pausing import Question
    from integrations.settings import Settings

EVERY_ACCOUNT = "all"

APPROVE_EACH = "set each to approved in the ERP to have it carried to eMAG, or to rejected"
ANSWER = (
    "press Resume on the suspended run of cancellation-sync in Prefect, or approve with"
    " `emag-flows run cancellations --yes`; reject in the ERP what is not to be cancelled"
)


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
    asked = await _asked(connection, settings)
    return found + [
        Approval(account, question.rows, None, str(question), ANSWER)
        for account, question in asked.items()
    ]


async def _asked(connection: Connection, settings: Settings) -> Mapping[str, Question]:
    above = settings.cancellations_pause_above
    if not above or not settings.accounts or await most_due(connection) <= above:
        return {}
    from flows.pausing import open_questions

    return await open_questions()


def _cancellations(rows: int) -> str:
    return "1 cancellation is" if rows == 1 else f"{rows} cancellations are"
