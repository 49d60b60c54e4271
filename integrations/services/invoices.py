"""Invoices and their documents."""

from __future__ import annotations

from collections.abc import Mapping

from integrations.erp.forms import InvoiceForm
from integrations.erp.rows import Kind
from integrations.ledger.hints import MOST_UNSEEN, Hinted, hint_order_of
from integrations.ledger.operations import OperationError, Standing
from integrations.services.results import Result, failed
from integrations.services.service import Service, row_id_of

# Why our books name no order of an invoice, by its state, and what to do about it.
_NO_ORDER: Mapping[str, str] = {
    "pending": "no sync has looked at it yet: ask again once one has",
    "waiting": "it waits ({reason}): see to that, and ask again",
    "refused": "it was refused ({reason}): correct the ERP's row, and ask again once a sync has"
    " looked at it",
    "idle": "no sync is asked for in its status: issue it, or if it is issued, queue it with"
    " `emag-flows replay invoice:{row_id}`",
}
_NO_ORDER_AT_ALL = "its row names no order of eMAG's: correct the ERP's row, and ask again"


class TooManyHintsError(OperationError):
    """So many reads are queued already that no more is."""


class NothingToReadError(OperationError):
    """There is no order to ask eMAG about."""


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
            NothingToReadError: our books name no order of it, so that nothing is queued.
            TooManyHintsError: nothing is queued, either; later it will be.
        """
        standing = await self.look(row_id)
        hinted = await hint_order_of((await self.books()).engine, self.kind, row_id)
        if hinted is Hinted.TOO_MANY:
            raise TooManyHintsError(
                f"{MOST_UNSEEN} orders that nobody has seen yet wait to be read: ask again once a"
                " sync has read some"
            )
        if hinted is Hinted.NO_ORDER:
            why = f"the order of invoice {row_id} is not known: {_why(standing)}"
            raise NothingToReadError(why, "invoice_id")
        return standing


def _why(standing: Standing) -> str:
    why = _NO_ORDER.get(standing.state, _NO_ORDER_AT_ALL)
    return why.format(
        row_id=standing.row_id,
        reason=standing.reason or standing.waiting_for or "no reason is noted",
    )
