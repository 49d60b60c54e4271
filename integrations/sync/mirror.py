"""Mirror the invoices that eMAG issued itself, before any document of the seller's is attached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta

from integrations.emag.routes import CUSTOMER_INVOICE_READ
from integrations.emag.wire import IssuedInvoice, WireError, read_issued_invoice
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.calls import Subject
from integrations.ledger.issued import mirrored_since, mirrored_until, store_issued
from integrations.sync.ask import ReadRefusedError, ask
from integrations.sync.channel import Channel
from integrations.sync.outage import OutageError

PAGE = 1000
MOST_PAGES = 65_535

# Why eMAG's own invoices may not be known; then no document of the seller's may be attached.
NOT_MIRRORED = (OutageError, BudgetBusyError, ReadRefusedError, WireError)


async def mirror_issued_invoices(channel: Channel) -> int:
    """Store what eMAG issued since the last look, by date window; how many invoices were read.

    The cursor moves once every page is stored.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: eMAG could not be asked.
        WireError: an invoice came without its number.
    """
    account, today = channel.account, _today(channel)
    count = 0
    async for invoices in _pages(channel, today):
        count += len(invoices)
        await store_issued(channel.engine, account.platform, account.name, invoices)
    await mirrored_until(channel.engine, account.name, today)
    return count


async def look_at_issued_invoices(channel: Channel) -> list[IssuedInvoice]:
    """The invoices that a mirroring would store now; raises the same."""
    return [each async for page in _pages(channel, _today(channel)) for each in page]


async def _pages(channel: Channel, today: date) -> AsyncIterator[Sequence[IssuedInvoice]]:
    since = await mirrored_since(channel.engine, channel.account.name, today)
    for number in range(1, MOST_PAGES + 1):
        body = {
            "date_start": since.isoformat(),
            "date_end": (today + timedelta(days=1)).isoformat(),
            "itemsPerPage": PAGE,
            "currentPage": number,
        }
        rows = await ask(channel, CUSTOMER_INVOICE_READ, body, Subject())
        invoices = {each.number: each for each in map(read_issued_invoice, rows)}
        yield list(invoices.values())
        if len(rows) < PAGE:
            return


def _today(channel: Channel) -> date:
    return datetime.now(UTC).astimezone(channel.account.zone).date()
