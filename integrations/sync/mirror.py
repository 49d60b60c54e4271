"""Mirror the invoices that eMAG issued itself, before any document of the seller's is attached."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta

from integrations.emag.routes import CUSTOMER_INVOICE_READ
from integrations.emag.wire import IssuedInvoice, Raw, WireError, read_issued_invoice
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.calls import Subject
from integrations.ledger.issued import mirrored_since, mirrored_until, store_issued
from integrations.sync.ask import ReadRefusedError, ask
from integrations.sync.channel import Channel
from integrations.sync.outage import OutageError

log = logging.getLogger("emag.mirror")

PAGE = 1000
SMALLEST_PAGE = 100
MOST_PAGES = 65_535

# Why eMAG's own invoices may not be known; then no document of the seller's may be attached.
NOT_MIRRORED = (OutageError, BudgetBusyError, ReadRefusedError, WireError)


async def mirror_issued_invoices(channel: Channel) -> int:
    """Store what eMAG issued since the last look, by date window; how many invoices were read.

    The cursor moves once every page is stored.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: eMAG could not be asked.
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
    whole = 0
    for number in range(1, MOST_PAGES + 1):
        body = {
            "date_start": since.isoformat(),
            "date_end": (today + timedelta(days=1)).isoformat(),
            "itemsPerPage": PAGE,
            "currentPage": number,
        }
        rows = await ask(channel, CUSTOMER_INVOICE_READ, body, Subject())
        yield _invoices(rows)
        # A page may be clipped without a word, but to no less than this.
        whole = max(whole, len(rows), SMALLEST_PAGE)
        if len(rows) < whole:
            return


def _invoices(rows: Sequence[Raw]) -> list[IssuedInvoice]:
    """What can be read of a page, each invoice once; one without a number tells nothing."""
    invoices: dict[str, IssuedInvoice] = {}
    for raw in rows:
        try:
            invoice = read_issued_invoice(raw)
        except WireError as error:
            log.warning("an invoice was left out: %s", error)
        else:
            invoices[invoice.number] = invoice
    return list(invoices.values())


def _today(channel: Channel) -> date:
    return datetime.now(UTC).astimezone(channel.account.zone).date()
