"""The way out, the same for every kind: load pending rows, call eMAG, persist the answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flows.report import Problem, Report, Spent
from integrations.emag.panel import panel_url
from integrations.emag.routes import LIMITS, Bucket
from integrations.erp.rows import Kind
from integrations.ledger.books import State
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.changes import newest_change
from integrations.ledger.queueing import Refusal
from integrations.sync.ask import ReadRefusedError
from integrations.sync.channel import Channel, Tally
from integrations.sync.outage import OutageError
from integrations.sync.probe import probe_if_down
from integrations.sync.work import Batch
from tasks.call import call_emag
from tasks.load import fold_changes, load_pending_rows
from tasks.persist import persist_answers, release_orders, write_back

# While one batch is being read, another is being saved: the request budget is never idle.
LANES = 2

NEEDS_A_PERSON = frozenset({State.REFUSED, State.IN_DOUBT})


@dataclass
class Allowance:
    """How many more rows this run may claim; one lane at a time asks, so that it is kept."""

    rows: int
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


async def carry_out(
    channel: Channel, kind: Kind, limit: int, report: Report, *, waits: bool = True
) -> None:
    """Carry every due row of a kind to eMAG, and those that rest now as soon as they have.

    With `waits` off, what still rests is left for whoever comes back when it has.
    """
    try:
        await probe_if_down(channel, kind)
    except (OutageError, BudgetBusyError, ReadRefusedError) as stopped:
        report.unreachable = str(stopped)
        return
    allowance = Allowance(limit)
    newest = await newest_change(channel.engine, kind)
    while True:
        folding = await fold_changes(channel, kind, newest)
        folded_at = time.monotonic()
        _note_refusals(report, kind, folding.refused)
        # A row that comes out of this round waiting or failed is not looked at again in it.
        await _carry_due(channel, kind, allowance, report, folding.at)
        if folding.rest is None or not waits or allowance.rows <= 0 or report.unreachable:
            break
        await asyncio.sleep(max(0.05, folding.rest - (time.monotonic() - folded_at)))
    await write_back(channel, kind)


async def _carry_due(
    channel: Channel, kind: Kind, allowance: Allowance, report: Report, due_by: datetime
) -> None:
    lanes = (_lane(channel, kind, allowance, report, due_by) for _ in range(LANES))
    await asyncio.gather(*lanes)


async def _lane(
    channel: Channel, kind: Kind, allowance: Allowance, report: Report, due_by: datetime
) -> None:
    while not report.unreachable:
        batch = await _next_batch(channel, kind, allowance, due_by)
        if batch is None:
            return
        try:
            await call_emag(channel, batch)
        except BaseException:
            await release_orders(channel, batch)
            raise
        states = await persist_answers(channel, batch)
        allowance.rows += sum(work.open for work in batch.works)  # these are claimed anew
        report.rows.update(states)
        _note_batch(channel, report, batch)
        await write_back(channel, kind)
        if batch.busy:
            return


async def _next_batch(
    channel: Channel, kind: Kind, allowance: Allowance, due_by: datetime
) -> Batch | None:
    """Claim what is due, within the allowance; None when there is nothing more to claim."""
    async with allowance.asking:
        if allowance.rows <= 0:
            return None
        batch = await load_pending_rows(channel, kind, allowance.rows, due_by)
        allowance.rows -= len(batch.works) if batch else 0
        return batch


def _note_refusals(report: Report, kind: Kind, refused: Sequence[Refusal]) -> None:
    """Count what folding refused; other kinds and accounts have reports of their own."""
    for each in refused:
        if each.kind is kind and each.account in (report.account, None):
            report.rows[State.REFUSED] += 1
            report.problems.append(Problem(kind, each.row_id, State.REFUSED, each.reason))


def _note_batch(channel: Channel, report: Report, batch: Batch) -> None:
    if batch.outage is not None:
        report.unreachable = str(batch.outage)
    for work in batch.works:
        outcome = work.outcome
        if outcome is not None and outcome.state in NEEDS_A_PERSON:
            url = panel_url(channel.account, work.claim.order_id)
            report.problems.append(
                Problem(batch.kind, work.claim.row_id, outcome.state, outcome.reason or "", url)
            )


def close_report(report: Report, channel: Channel, began: float) -> Report:
    """Add what the channel counted and the seconds since `began` (monotonic)."""
    report.seconds = time.monotonic() - began
    report.requests = dict(channel.tally.requests)
    report.throttled = channel.tally.throttled
    report.budget = [_spent(channel.tally, bucket, report.seconds) for bucket in Bucket]
    return report


def _spent(tally: Tally, bucket: Bucket, seconds: float) -> Spent:
    """A limit lets the first request go at once, and the others at its pace."""
    requests, limit = tally.spent[bucket], LIMITS[bucket]
    share = requests / (1 + seconds * limit)
    return Spent(bucket, requests, limit, min(1.0, share), tally.waits[bucket])
