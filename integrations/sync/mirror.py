"""Mirror the invoices that eMAG issued to customers, before a document of the seller's is attached.

What mirroring any listing of invoices takes is here too.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from integrations.emag.issued_invoices import (
    IssuedInvoice,
    read_in_part,
    read_issued_invoice,
)
from integrations.emag.routes import CUSTOMER_INVOICE_READ, INVOICE_READ, Route
from integrations.emag.wire import Raw, WireError, plain_text
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.database import database_time
from integrations.ledger.issued import (
    Source,
    Sum,
    mirrored_since,
    mirrored_until,
    read_until,
    store_issued,
)
from integrations.sync.ask import ReadRefusedError
from integrations.sync.channel import Channel
from integrations.sync.drift import note_changed_type
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
    account = channel.account
    since = await mirrored_since(channel.engine, account.platform, account.name, source, today)
    return [
        invoice
        async for page in issued_pages(channel, source, since, today)
        for invoice, _ in readable(source, page.rows).invoices
    ]


async def mirror(channel: Channel, source: Source) -> int:
    """Store what a listing holds since the last look, by date window; how many were read.

    The cursor moves once every page is stored, and not beyond an invoice that can't be read.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: eMAG could not be asked.
    """
    account, today = channel.account, await _today(channel)
    since = await mirrored_since(channel.engine, account.platform, account.name, source, today)
    count = 0
    async for page in issued_pages(channel, source, since, today):
        count += await store_page(channel, source, page)
    until = await read_until(channel.engine, account.platform, account.name, source, since, today)
    await mirrored_until(channel.engine, account.platform, account.name, source, until)
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
    found = readable(source, page.rows)
    account = channel.account
    await store_issued(channel.engine, account.platform, account.name, source, found.invoices)
    for error in found.errors:
        await note_changed_type(channel, ROUTES[source], error)
    return len(found.invoices)


@dataclass(frozen=True)
class Readable:
    """What can be read of a page, each invoice once, and what of them can't be."""

    invoices: Sequence[tuple[IssuedInvoice, Sum]]
    errors: Sequence[WireError]


def readable(source: Source, rows: Sequence[Raw]) -> Readable:
    """What can be read of a page.

    An order's document is kept whatever it lacks: nobody else's may appear beside it.
    """
    invoices: dict[str, tuple[IssuedInvoice, Sum]] = {}
    errors = []
    for raw in rows:
        invoice: IssuedInvoice | None
        try:
            invoice = read_issued_invoice(raw)
        except WireError as error:
            errors.append(error)
            invoice = _in_part(source, raw, error)
        if invoice is None:
            log.warning("an invoice was left out: %s", errors[-1])
        elif invoice.problem is None or invoice.number not in invoices:
            invoices[invoice.number] = invoice, _sum(raw)
    return Readable(list(invoices.values()), errors)


def _in_part(source: Source, raw: Raw, error: WireError) -> IssuedInvoice | None:
    invoice = read_in_part(raw, error)
    if invoice is None or invoice.problem is None:
        return invoice
    if source is Source.CUSTOMER:
        return replace(invoice, problem=f"{invoice.problem}. {_remedy(invoice, error)}")
    # Of an invoice to the seller the order is no matter.
    return None if error.field == "number" else replace(invoice, problem=None)


def _remedy(invoice: IssuedInvoice, error: WireError) -> str:
    where = f"in app.emag_issued_invoices, number {invoice.number!r}"
    if error.field == "order_id":
        return (
            "Look up at eMAG which order it is of, and set order_id (0: none) and problem (NULL)"
            f" {where}"
        )
    return f"Where eMAG took it back, set problem to NULL {where}"


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
