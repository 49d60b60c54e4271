"""Mirror the invoices that eMAG issued itself, before any document of the seller's is attached."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from integrations.emag.routes import CUSTOMER_INVOICE_READ
from integrations.emag.wire import read_issued_invoice
from integrations.ledger.calls import Subject
from integrations.ledger.issued import mirrored_since, mirrored_until, store_issued
from integrations.sync.ask import ask
from integrations.sync.channel import Channel

PAGE = 1000
MOST_PAGES = 65_535


async def mirror_issued_invoices(channel: Channel) -> int:
    """Store what eMAG issued since the last look, by date window; how many invoices were read.

    The cursor moves once every page is stored.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: eMAG could not be asked.
        WireError: an invoice came without its number.
    """
    today = datetime.now(UTC).astimezone(channel.account.zone).date()
    since = await mirrored_since(channel.engine, channel.account.name, today)
    count = 0
    for page in range(1, MOST_PAGES + 1):
        read = await _mirror_page(channel, since, today + timedelta(days=1), page)
        count += read
        if read < PAGE:
            break
    await mirrored_until(channel.engine, channel.account.name, today)
    return count


async def _mirror_page(channel: Channel, since: date, until: date, page: int) -> int:
    body = {
        "date_start": since.isoformat(),
        "date_end": until.isoformat(),
        "itemsPerPage": PAGE,
        "currentPage": page,
    }
    rows = await ask(channel, CUSTOMER_INVOICE_READ, body, Subject())
    invoices = {each.number: each for each in map(read_issued_invoice, rows)}
    if invoices:
        await store_issued(
            channel.engine,
            channel.account.platform,
            channel.account.name,
            list(invoices.values()),
        )
    return len(rows)
