"""Mirror the invoices that eMAG issued to customers, before a document of the seller's is attached.

What mirroring any listing of invoices takes is here too.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from integrations.emag.routes import CUSTOMER_INVOICE_READ, INVOICE_READ, Route
from integrations.emag.wire import (
    IssuedInvoice,
    Raw,
    WireError,
    plain_text,
    read_issued_invoice,
)
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.database import database_time
from integrations.ledger.issued import (
    Source,
    Sum,
    mirrored_since,
    mirrored_until,
    store_issued,
)
from integrations.sync.ask import ReadRefusedError
from integrations.sync.channel import Channel
from integrations.sync.listing import Ends, pages
from integrations.sync.outage import OutageError
from integrations.sync.page import Page

log = logging.getLogger("emag.mirror")

PAGE = 1000

ROUTES: Mapping[Source, Route] = {
    Source.CUSTOMER: CUSTOMER_INVOICE_READ,
    Source.OWN: INVOICE_READ,
}

# Why eMAG's own invoices may not be known; then no document of the seller's may be attached.
NOT_MIRRORED = (OutageError, BudgetBusyError, ReadRefusedError, WireError)


async def mirror_issued_invoices(channel: Channel) -> int:
    """Store what eMAG issued to customers since the last look; how many invoices were read.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: eMAG could not be asked.
    """
    return await mirror(channel, Source.CUSTOMER)


async def look_at_issued_invoices(channel: Channel) -> list[IssuedInvoice]:
    """The invoices to customers that a mirroring would store now; raises the same."""
    source, today = Source.CUSTOMER, await _today(channel)
    since = await mirrored_since(channel.engine, channel.account.name, source, today)
    return [
        invoice
        async for page in issued_pages(channel, source, since, today)
        for invoice, _ in readable(page.rows)
    ]


async def mirror(channel: Channel, source: Source) -> int:
    """Store what a listing holds since the last look, by date window; how many were read.

    The cursor moves once every page is stored.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: eMAG could not be asked.
    """
    account, today = channel.account, await _today(channel)
    since = await mirrored_since(channel.engine, account.name, source, today)
    count = 0
    async for page in issued_pages(channel, source, since, today):
        count += await store_page(channel, source, page)
    await mirrored_until(channel.engine, account.name, source, today)
    return count


async def issued_pages(
    channel: Channel, source: Source, since: date, until: date
) -> AsyncIterator[Page]:
    """The pages of a listing from one day to another, both included.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: eMAG could not be asked.
    """
    filters = {
        "date_start": since.isoformat(),
        "date_end": (until + timedelta(days=1)).isoformat(),
    }
    route = ROUTES[source]
    # Nothing is believed of the end: an invoice that was missed may be issued a second time.
    async for page in pages(channel, route, filters, key=_content, size=PAGE, ends=Ends()):
        yield page


def _content(raw: Raw) -> object:
    return json.dumps(raw, sort_keys=True)


async def store_page(channel: Channel, source: Source, page: Page) -> int:
    """Store what can be read of a page; how many invoices that are."""
    invoices = readable(page.rows)
    account = channel.account
    await store_issued(channel.engine, account.platform, account.name, source, invoices)
    return len(invoices)


def readable(rows: Sequence[Raw]) -> list[tuple[IssuedInvoice, Sum]]:
    """What can be read of a page, each invoice once; one without a number tells nothing."""
    invoices: dict[str, tuple[IssuedInvoice, Sum]] = {}
    for raw in rows:
        try:
            invoice = read_issued_invoice(raw)
        except WireError as error:
            log.warning("an invoice was left out: %s", error)
        else:
            invoices[invoice.number] = invoice, _sum(raw)
    return list(invoices.values())


def _sum(raw: Raw) -> Sum:
    return Sum(_amount(raw.get("total_with_vat")), plain_text(raw.get("currency")))


def _amount(value: object) -> Decimal | None:
    try:
        amount = Decimal(plain_text(value) or "")
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


async def _today(channel: Channel) -> date:
    """The platform's day by the database's clock: this host's may be wrong."""
    return (await database_time(channel.engine)).astimezone(channel.account.zone).date()
