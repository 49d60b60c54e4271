"""Returns: what the ERP decided about them reaches eMAG, and what happens to them there the ERP."""

from __future__ import annotations

from dataclasses import replace

from flows.inbound import bring_in
from flows.outbound import carry_out
from flows.parameters import SyncParameters
from flows.preview import preview, preview_news
from flows.report import Report
from flows.sync import for_each_account
from integrations.erp.rows import Kind
from integrations.sync.channel import Channel
from integrations.sync.foresee import foresee_returns
from integrations.sync.receive_returns import ReturnsScan
from tasks.receive import receive_returns


async def sync_returns(parameters: SyncParameters) -> list[Report]:
    """Carry pending returns to eMAG and bring its news of returns in, account by account."""
    return await for_each_account("rma-sync", parameters, _sync)


async def _sync(channel: Channel, parameters: SyncParameters, report: Report) -> None:
    """The open returns are read once for both directions."""
    way = parameters.direction
    scan = ReturnsScan() if way.comes_in else None
    shared = replace(channel, scan=scan)
    if parameters.dry_run:
        if way.goes_out:
            await preview(shared, Kind.RMA, parameters.limit, report)
        if way.comes_in and not report.unreachable:
            await preview_news(report, parameters.limit, foresee_returns(channel, scan))
        return
    if way.goes_out:
        await carry_out(shared, Kind.RMA, parameters.limit, report)
    if way.comes_in and not report.unreachable:
        await bring_in(report, receive_returns(channel, scan))
