"""Call eMAG: carry a claimed batch within the request limits."""

from __future__ import annotations

from integrations.ledger.points import Point, reached
from integrations.sync.carry import carry
from integrations.sync.channel import Channel
from integrations.sync.mirror import mirror_issued_invoices
from integrations.sync.receive_documents import receive_documents
from integrations.sync.work import Batch
from tasks.step import step


@step("call-emag", pauses=(2, 10))
async def call_emag(channel: Channel, batch: Batch) -> None:
    """Give every row of the batch an outcome.

    A repetition within the run is safe: the batch still holds its tokens, and an order with an open
    intent is not asked about again.
    """
    await carry(channel, batch)
    await reached(Point.CARRIED)


@step("mirror-issued-invoices", pauses=(2, 10))
async def mirror_issued(channel: Channel) -> int:
    """Learn which invoices eMAG issued itself; how many were read."""
    return await mirror_issued_invoices(channel)


@step("mirror-emags-own-invoices", pauses=(2, 10))
async def mirror_own(channel: Channel) -> int:
    """Learn what eMAG invoiced the seller; how many invoices were read."""
    return await receive_documents(channel)
