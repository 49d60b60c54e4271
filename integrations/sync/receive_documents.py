"""Mirror eMAG's own invoices to the seller: commission, transport and what takes them back."""

from __future__ import annotations

from integrations.ledger.issued import Source
from integrations.sync.channel import Channel
from integrations.sync.mirror import mirror


async def receive_documents(channel: Channel) -> int:
    """Store what eMAG issued to the seller since the last look; how many invoices were read.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: eMAG could not be asked.
    """
    return await mirror(channel, Source.OWN)
