"""Invoices and their documents."""

from __future__ import annotations

from integrations.erp.forms import InvoiceForm
from integrations.erp.rows import Kind
from integrations.ledger.hints import hint_order_of
from integrations.ledger.operations import Standing
from integrations.services.results import Result, failed
from integrations.services.service import Service, row_id_of


class EmagInvoiceIntegration(Service):
    """Invoices: creating one attaches its document to the order, for the customer to see."""

    kind = Kind.INVOICE
    form = InvoiceForm

    async def create_invoice(self, invoice: object, *, key: str | None = None) -> Result:
        """Take on an invoice: the ERP's row, its id, or a mapping of its columns."""
        return await self.told(self.take_on(invoice, key=key))

    async def get_invoice(self, invoice_id: int) -> Result:
        """Where the ERP's invoice stands."""
        return await self.told(self.look(invoice_id))

    async def update_payment(self, invoice: object) -> Result:
        """Ask eMAG whether the order was paid: payment is learnt from eMAG, never told to it."""
        row_id = row_id_of(invoice)
        if row_id is None:
            return failed(self.kind, "invoice: needs the id of the ERP's row")
        return await self.told(self.ask_for_payment(row_id))

    async def ask_for_payment(self, row_id: int) -> Standing:
        """The same, as it stands in the books: the order is read by the next run.

        Raises:
            UnknownRowError: the ERP has no such invoice.
        """
        standing = await self.look(row_id)
        await hint_order_of((await self.books()).engine, self.kind, row_id)
        return standing
