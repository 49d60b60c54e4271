"""Plan rows without sending anything: what a dry run shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from integrations.emag.wire import Order, Return
from integrations.erp.rows import Kind
from integrations.ledger.claims import Claim
from integrations.ledger.leases import new_token
from integrations.sync.ask import ReadRefusedError
from integrations.sync.channel import Channel
from integrations.sync.documents import DocumentUnreachableError
from integrations.sync.mirror import look_at_issued_invoices
from integrations.sync.plan import Do, Plan
from integrations.sync.plan_rows import Planner, is_unfound, planner_for
from integrations.sync.read import page_copies, read_singly
from integrations.sync.work import Batch, Copy, Work, batch_of


@dataclass(frozen=True)
class Proposal:
    """A row, what eMAG has of it, and its plan; `problem` where there could be none."""

    claim: Claim
    states: Sequence[Order | Return]
    plan: Plan | None
    steps: tuple[str, ...]
    problem: str


async def propose(channel: Channel, kind: Kind, claims: Sequence[Claim]) -> list[Proposal]:
    """Read eMAG's state for these rows and plan each of them.

    Raises:
        OutageError, BudgetBusyError: nothing can be asked of eMAG now.
        ReadRefusedError, WireError: the invoices that eMAG issued could not be read.
    """
    batch = batch_of(kind, new_token(), claims)
    if kind is Kind.INVOICE and claims:
        batch.issued = await look_at_issued_invoices(channel)
    await page_copies(channel, batch, batch.works)
    await read_singly(channel, batch, batch.works)
    planner = await planner_for(channel, batch, batch.works)
    return [await _proposal(channel, batch, work, planner) for work in batch.works]


async def _proposal(channel: Channel, batch: Batch, work: Work, planner: Planner) -> Proposal:
    if work.copy is None:
        problem = work.outcome.reason if work.outcome else None
        return Proposal(work.claim, (), None, (), problem or "eMAG's state could not be read")
    try:
        plan = await planner(work, work.copy)
    except (DocumentUnreachableError, ReadRefusedError) as unreachable:
        return Proposal(work.claim, _states(work.copy), None, (), str(unreachable))
    if is_unfound(work.copy, plan):
        work.copy, work.thorough = None, True
        await read_singly(channel, batch, [work])
        return await _proposal(channel, batch, work, await planner_for(channel, batch, [work]))
    steps = tuple(step.label for step in plan.steps) if isinstance(plan, Do) else ()
    return Proposal(work.claim, _states(work.copy), plan, steps, "")


def _states(copy: Copy) -> Sequence[Order | Return]:
    return [copy.order] if copy.order else copy.returns
