"""Cancellations of orders, and refunds."""

from __future__ import annotations

from integrations.erp.forms import CancellationForm
from integrations.erp.rows import Kind
from integrations.services.results import Result, failed
from integrations.services.service import Service, row_id_of


class EmagCancellationIntegration(Service):
    """Cancellations: until an order is finalized they are the refund, after that it is storno."""

    kind = Kind.CANCELLATION
    form = CancellationForm

    async def create_cancellation_request(
        self, cancellation_request: object, *, key: str | None = None
    ) -> Result:
        """Take on a cancellation: the ERP's row, its id, or a mapping of its columns."""
        return await self.told(self.take_on(cancellation_request, key=key))

    async def process_refund(
        self, cancellation_request: object, *, key: str | None = None
    ) -> Result:
        """Ask for the refund of a cancellation that the ERP holds: its row or its id."""
        row_id = row_id_of(cancellation_request)
        if row_id is None:
            return failed(self.kind, "cancellation_request: needs the id of the ERP's row")
        return await self.told(self.change(row_id, {"refund_status": "processing"}, key=key))
