"""Returns (RMA)."""

from __future__ import annotations

from integrations.erp.forms import ReturnForm
from integrations.erp.rows import Kind
from integrations.ledger.operations import Standing, UnknownRowError, row_of
from integrations.services.results import Result, failed
from integrations.services.service import Service, row_id_of


class EmagRMAIntegration(Service):
    """Returns: only the customer opens one at eMAG, so creating one links it to the ERP's row."""

    kind = Kind.RMA
    form = ReturnForm

    async def create_return_request(
        self, return_request: object, *, key: str | None = None
    ) -> Result:
        """Take on a return: the ERP's row, its id, or a mapping of its columns."""
        return await self.told(self.take_on(return_request, key=key))

    async def update_return_status(
        self, return_request: object, status: str | None = None, *, key: str | None = None
    ) -> Result:
        """Let eMAG learn a status; without one, the status that the ERP's row has."""
        row_id = row_id_of(return_request)
        if row_id is None:
            return failed(self.kind, "return_request: needs the id of the ERP's row")
        if status is None:
            return await self.told(self.take_on(row_id, key=key))
        return await self.told(self.change(row_id, {"status": status.lower()}, key=key))

    async def get_return(self, emag_rma_id: int | str) -> Result:
        """Where the return with eMAG's id stands."""
        return await self.told(self.find(emag_rma_id))

    async def find(self, emag_rma_id: int | str) -> Standing:
        """The same, as it stands in the books. Raises UnknownRowError."""
        books = await self.books()
        row_id = await row_of(books.engine, self.kind, str(emag_rma_id), self._account_type)
        if row_id is None:
            raise UnknownRowError(f"no return of the ERP's belongs to eMAG's return {emag_rma_id}")
        return await self.look(row_id)
