"""A dry run: what each due row would become, and what eMAG's news would make of the ERP's rows.

Nothing is sent, folded, leased or brought in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence

from flows.report import NewsLine, PlanLine, Report
from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.issued import Source
from integrations.ledger.prospects import prospects
from integrations.ledger.queueing import Entry
from integrations.sync.ask import ReadRefusedError
from integrations.sync.channel import Channel
from integrations.sync.foresee import Foreseen, News
from integrations.sync.mirror import NOT_MIRRORED
from integrations.sync.outage import OutageError
from integrations.sync.plan import describe_outcome, describe_state, describe_wish
from integrations.sync.propose import Proposal, propose
from integrations.sync.receipt import Parked

DELETED = "the row was deleted"

# Why eMAG's news may not be had now.
UNREADABLE = (OutageError, BudgetBusyError, ReadRefusedError)

OUTCOMES: Mapping[Brought, str] = {
    Brought.CREATED: "created",
    Brought.UPDATED: "changed",
    Brought.SAME: "the same",
    Brought.UNSENT: "stays: what the ERP decided is not at eMAG yet",
    Brought.KEPT: "stays: eMAG refused what the ERP decided, a person must look",
    Brought.OVERTAKEN: "later: a request of ours about the order came between",
    Brought.LOCKED: "later: the ERP holds the row locked",
    Brought.GONE: "stays: the ERP has deleted the row",
    Brought.PARKED: "could not be stored",
}

DOCUMENTS: Mapping[Source, str] = {
    Source.CUSTOMER: "invoices that eMAG issued to customers",
    Source.OWN: "invoices that eMAG issued to the seller",
}


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
        PlanLine(kind, entry.row_id, entry.order_id, "-", "-", (), _before_any_plan(entry))
        for entry in found.unusable
    )
    report.plans.extend(
        PlanLine(kind, row_id, None, DELETED, "-", (), f"nothing: it is {state.value} already")
        for row_id, state in found.history.items()
    )
    try:
        for proposal in await propose(channel, kind, [*found.claims, *found.deleted]):
            report.plans.append(_line(kind, proposal))
    except NOT_MIRRORED as stopped:
        report.unreachable = str(stopped)


async def preview_news(report: Report, limit: int, foreseeing: Awaitable[Foreseen]) -> None:
    """Await what eMAG's news would do to the ERP's rows and list it in the report up to `limit`."""
    try:
        found = await foreseeing
    except UNREADABLE as stopped:
        report.unreachable = f"eMAG's news could not be read: {stopped}"
        return
    report.looked_at = (report.looked_at or 0) + found.receipt.read
    lines = list(map(_news_line, found.news))
    told = {line.subject for line in lines}
    parked = map(_parked_line, found.receipt.parked)
    lines.extend(line for line in parked if line.subject not in told)
    report.news.extend(lines[:limit])
    report.unlisted += len(lines[limit:])


async def preview_documents(report: Report, foreseeing: Awaitable[Mapping[Source, int]]) -> None:
    """The same for invoices that eMAG issued: the books would know them, the ERP has no place."""
    try:
        found = await foreseeing
    except UNREADABLE as stopped:
        report.unreachable = f"the invoices that eMAG issued could not be read: {stopped}"
        return
    report.news.extend(
        NewsLine(Kind.INVOICE, None, f"{number} {DOCUMENTS[source]}", (), "noted in our books")
        for source, number in found.items()
        if number
    )


def _news_line(news: News) -> NewsLine:
    subject = _subject(news.kind, news.emag_id or news.order_id)
    of = f" of order {news.order_id}" if news.emag_id else ""
    outcome = OUTCOMES[news.brought]
    if news.reason:
        outcome = f"{outcome}: {news.reason}"
    return NewsLine(news.kind, news.row_id, subject + of, news.changes, outcome)


def _parked_line(parked: Parked) -> NewsLine:
    subject = _subject(parked.kind, parked.emag_id)
    return NewsLine(parked.kind, None, subject, (), f"{OUTCOMES[Brought.PARKED]}: {parked.reason}")


def _subject(kind: Kind, number: object) -> str:
    what = "return" if kind is Kind.RMA else "order"
    return f"{what} {number}" if number else f"{what}s"


def _before_any_plan(entry: Entry) -> str:
    waits = f" for {entry.waiting_for}" if entry.waiting_for else ""
    return f"{entry.state.value}{waits}: {entry.reason}"


def _line(kind: Kind, proposal: Proposal) -> PlanLine:
    claim, plan = proposal.claim, proposal.plan
    return PlanLine(
        kind=kind,
        row_id=claim.row_id,
        order_id=claim.order_id or None,
        wish=describe_wish(claim.row) if claim.row else DELETED,
        state=", ".join(map(describe_state, proposal.states)) or describe_state(None),
        steps=proposal.steps,
        outcome=describe_outcome(plan) if plan else proposal.problem,
    )
