"""Returns: what the ERP decided about them reaches eMAG, and what happens to them there the ERP."""

from __future__ import annotations

from dataclasses import replace

from flows.inbound import bring_in
from flows.outbound import carry_out
from flows.parameters import SyncParameters
from flows.preview import preview
from flows.report import Report
from flows.sync import for_each_account
from integrations.erp.rows import Kind
from integrations.sync.channel import Channel
from integrations.sync.receive_returns import ReturnsScan
from tasks.receive import receive_returns


async def sync_returns(parameters: SyncParameters) -> list[Report]:
    """Carry pending returns to eMAG and bring its news of returns in, account by account."""
    return await for_each_account("rma-sync", parameters, _sync)


async def _sync(channel: Channel, parameters: SyncParameters, report: Report) -> None:
    """The open returns are read once for both directions."""
    way = parameters.direction
    if parameters.dry_run:
        await preview(channel, Kind.RMA, parameters.limit, report)
        return
    scan = ReturnsScan() if way.comes_in else None
    if way.goes_out:
        await carry_out(replace(channel, scan=scan), Kind.RMA, parameters.limit, report)
    if way.comes_in and not report.unreachable:
        await bring_in(report, receive_returns(channel, scan))
