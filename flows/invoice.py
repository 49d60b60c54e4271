"""Invoices: their documents are attached to the orders at eMAG, each once."""

from __future__ import annotations

from flows.outbound import carry_out
from flows.parameters import SyncParameters
from flows.preview import preview
from flows.report import Report
from flows.sync import for_each_account
from integrations.erp.rows import Kind
from integrations.sync.channel import Channel
from integrations.sync.mirror import NOT_MIRRORED
from tasks.call import mirror_issued


async def sync_invoices(parameters: SyncParameters) -> list[Report]:
    """Attach pending invoices to their orders and write eMAG's answers down, account by account."""
    return await for_each_account("invoice-sync", parameters, _sync)


async def _sync(channel: Channel, parameters: SyncParameters, report: Report) -> None:
    """First learn what eMAG issued itself: no second fiscal document may appear for an order."""
    if parameters.dry_run:
        await preview(channel, Kind.INVOICE, parameters.limit, report)
        return
    try:
        await mirror_issued(channel)
    except NOT_MIRRORED as stopped:
        report.unreachable = f"the invoices that eMAG issued could not be read: {stopped}"
    else:
        await carry_out(channel, Kind.INVOICE, parameters.limit, report)
