"""Invoices: their documents are attached to the orders at eMAG, and payments reach the ERP."""

from __future__ import annotations

from flows.inbound import bring_in
from flows.outbound import carry_out
from flows.parameters import SyncParameters
from flows.preview import preview, preview_documents, preview_news
from flows.report import Report
from flows.sync import for_each_account
from integrations.erp.rows import Kind
from integrations.sync.channel import Channel
from integrations.sync.foresee import foresee_documents, foresee_orders
from integrations.sync.mirror import NOT_MIRRORED
from tasks.call import mirror_issued, mirror_own
from tasks.receive import receive_orders


async def sync_invoices(parameters: SyncParameters) -> list[Report]:
    """Attach pending invoices to their orders and bring payments in, account by account."""
    return await for_each_account("invoice-sync", parameters, _sync)


async def _sync(channel: Channel, parameters: SyncParameters, report: Report) -> None:
    way = parameters.direction
    if parameters.dry_run:
        if way.goes_out:
            await preview(channel, Kind.INVOICE, parameters.limit, report)
        if way.comes_in and not report.unreachable:
            await preview_documents(report, foresee_documents(channel))
            await preview_news(report, parameters.limit, foresee_orders(channel))
        return
    if not await learn_issued(channel, report, own=way.comes_in):
        return
    if way.goes_out:
        await carry_out(channel, Kind.INVOICE, parameters.limit, report)
    if way.comes_in and not report.unreachable:
        await bring_in(report, receive_orders(channel))


async def learn_issued(channel: Channel, report: Report, *, own: bool = False) -> bool:
    """Learn what eMAG issued itself: no second fiscal document may appear for an order.

    With `own`, its invoices to the seller, too. False, and why in the report, where it can't.
    """
    try:
        await mirror_issued(channel)
        if own:
            await mirror_own(channel)
    except NOT_MIRRORED as stopped:
        report.unreachable = f"the invoices that eMAG issued could not be read: {stopped}"
    return report.unreachable is None
