"""Cancellations: what the ERP decided reaches eMAG, and what was cancelled there the ERP."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from flows.approving import command
from flows.inbound import bring_in
from flows.outbound import carry_out
from flows.parameters import CancellationParameters, SyncParameters
from flows.pausing import ApprovalNeededError, most_in_a_run, question_of
from flows.preview import preview, preview_news
from flows.report import Report
from flows.sync import for_each_account
from integrations.erp.rows import Kind
from integrations.ledger.unasked import begin_anew
from integrations.sync.channel import Channel
from integrations.sync.foresee import foresee_orders
from tasks.receive import receive_orders


async def sync_cancellations(parameters: CancellationParameters) -> list[Report]:
    """Carry pending cancellations to eMAG and bring its news of orders in, account by account.

    Raises:
        ApprovalNeededError: so many are due that a person is to be asked first.
    """
    if question := await question_of(parameters):
        raise ApprovalNeededError(
            f"{question}: look with {command(parameters.account, '--dry-run')}, then approve with"
            f" {command(parameters.account, '--yes')}"
        )
    story = partial(_sync, by_word=parameters.unasked)
    return await for_each_account("cancellation-sync", parameters, story)


async def _sync(
    channel: Channel, parameters: SyncParameters, report: Report, *, by_word: bool = False
) -> None:
    way = parameters.direction
    if parameters.dry_run:
        if way.goes_out:
            await preview(channel, Kind.CANCELLATION, parameters.limit, report)
        if way.comes_in and not report.unreachable:
            await preview_news(report, parameters.limit, foresee_orders(channel))
        return
    if way.goes_out:
        await _carry(replace(channel, by_word=by_word), parameters.limit, report)
    if way.comes_in and not report.unreachable:
        await bring_in(report, receive_orders(channel))


async def _carry(channel: Channel, limit: int, report: Report) -> None:
    if channel.by_word:
        await begin_anew(channel.engine, channel.account.name)
    else:
        limit = await most_in_a_run(channel, limit)
    await carry_out(channel, Kind.CANCELLATION, limit, report)
