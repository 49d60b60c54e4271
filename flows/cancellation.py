"""Cancellations: what the ERP decided about them reaches eMAG."""

from __future__ import annotations

from flows.outbound import carry_out
from flows.parameters import SyncParameters
from flows.preview import preview
from flows.report import Report
from flows.sync import for_each_account
from integrations.erp.rows import Kind
from integrations.sync.channel import Channel


async def sync_cancellations(parameters: SyncParameters) -> list[Report]:
    """Carry pending cancellations to eMAG and write its answers down, account by account."""
    return await for_each_account("cancellation-sync", parameters, _sync)


async def _sync(channel: Channel, parameters: SyncParameters, report: Report) -> None:
    if parameters.dry_run:
        await preview(channel, Kind.CANCELLATION, parameters.limit, report)
    else:
        await carry_out(channel, Kind.CANCELLATION, parameters.limit, report)
