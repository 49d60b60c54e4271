"""A dry run: what each due row would become, with nothing sent and nothing folded or leased."""

from __future__ import annotations

from collections.abc import Sequence

from flows.report import PlanLine, Report
from integrations.erp.rows import Kind
from integrations.ledger.changes import Entry
from integrations.ledger.prospects import prospects
from integrations.sync.channel import Channel
from integrations.sync.mirror import NOT_MIRRORED
from integrations.sync.plan import describe_outcome, describe_state, describe_wish
from integrations.sync.propose import Proposal, propose

DELETED = "the row was deleted"


async def preview(
    channel: Channel, kind: Kind, limit: int, report: Report, also: Sequence[int] = ()
) -> None:
    """Put into the report a line for every row that is due or has changed, and `also` for these."""
    found = await prospects(
        channel.engine,
        channel.schema,
        channel.accounts,
        channel.account,
        kind,
        limit,
        require_approval=channel.require_approval,
        also=also,
    )
    report.plans.extend(
        PlanLine(kind, entry.row_id, entry.order_id or 0, "-", "-", (), _before_any_plan(entry))
        for entry in found.unusable
    )
    report.plans.extend(
        PlanLine(kind, row_id, 0, DELETED, "-", (), f"nothing: it is {state.value} already")
        for row_id, state in found.history.items()
    )
    try:
        for proposal in await propose(channel, kind, [*found.claims, *found.deleted]):
            report.plans.append(_line(kind, proposal))
    except NOT_MIRRORED as stopped:
        report.unreachable = str(stopped)


def _before_any_plan(entry: Entry) -> str:
    waits = f" for {entry.waiting_for}" if entry.waiting_for else ""
    return f"{entry.state.value}{waits}: {entry.reason}"


def _line(kind: Kind, proposal: Proposal) -> PlanLine:
    claim, plan = proposal.claim, proposal.plan
    return PlanLine(
        kind=kind,
        row_id=claim.row_id,
        order_id=claim.order_id,
        wish=describe_wish(claim.row) if claim.row else DELETED,
        state=", ".join(map(describe_state, proposal.states)) or describe_state(None),
        steps=proposal.steps,
        outcome=describe_outcome(plan) if plan else proposal.problem,
    )
