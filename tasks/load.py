"""Load pending rows: fold what the ERP changed, then claim what is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from integrations.erp.rows import Kind
from integrations.ledger import changes, claims, leases
from integrations.ledger.calls import close_dead_calls
from integrations.ledger.database import database_time
from integrations.ledger.points import Point, reached
from integrations.ledger.queueing import Refusal
from integrations.ledger.sweep import sweep
from integrations.sync.channel import Channel
from integrations.sync.work import Batch, batch_of
from tasks.step import step

PAUSES = (1, 5, 15)


@dataclass(frozen=True)
class Folding:
    """What is known after folding.

    Attributes:
        refused: the rows that were refused on the spot.
        rest: seconds until the changes that the run waits for have rested; None when none is left.
        at: the database's time afterwards: what was folded is due by then, whoever folded it.
    """

    refused: Sequence[Refusal]
    rest: float | None
    at: datetime


@step("fold-changes", pauses=PAUSES)
async def fold_changes(channel: Channel, kind: Kind, newest: int) -> Folding:
    """Queue the ERP's rested changes, of all kinds and accounts.

    The run waits for the changes of its kind up to the newest. One that another run is folding at
    this moment is not left yet: it is found in the next round.
    """
    await close_dead_calls(channel.engine)
    await sweep(channel.engine, channel.schema, require_approval=channel.require_approval)
    folded = await changes.fold(
        channel.engine,
        channel.schema,
        channel.accounts,
        channel.timings,
        require_approval=channel.require_approval,
    )
    rest = await changes.seconds_to_rest(channel.engine, kind, newest, channel.timings)
    return Folding(folded.refused, rest, await database_time(channel.engine))


@step("load-pending-rows", pauses=PAUSES)
async def load_pending_rows(
    channel: Channel, kind: Kind, rows: int, due_by: datetime
) -> Batch | None:
    """Claim up to this many rows that were due by then, with their orders; None when none is."""
    token = leases.new_token()
    claimed = await claims.claim(
        channel.engine,
        channel.schema,
        channel.accounts,
        channel.account,
        kind,
        token,
        channel.holder,
        channel.timings,
        require_approval=channel.require_approval,
        rows=min(rows, claims.BATCH),
        due_by=due_by,
    )
    await reached(Point.CLAIMED)
    return batch_of(kind, token, claimed) if claimed else None
