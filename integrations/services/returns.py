"""Returns (RMA)."""

from __future__ import annotations

from integrations.erp.forms import DecisionForm, ReturnForm
from integrations.erp.load import HIGHEST_ORDER, order_number
from integrations.erp.rows import Kind
from integrations.ledger.operations import Standing, UnknownRowError, row_of
from integrations.services.results import Result, failed
from integrations.services.service import MalformedError, Service, read_form, row_id_of


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
        """Let eMAG learn a status, in any case; without one, the status that the ERP's row has."""
        row_id = row_id_of(return_request)
        if row_id is None:
            return failed(self.kind, "return_request: needs the id of the ERP's row")
        if status is None:
            return await self.told(self.take_on(row_id, key=key))
        return await self.told(self._decide(row_id, status, key))

    async def _decide(self, row_id: int, status: object, key: str | None) -> Standing:
        return await self.change(
            row_id, read_form(DecisionForm, {"status": status}).values(), key=key
        )

    async def get_return(self, emag_rma_id: int | str, platform: str | None = None) -> Result:
        """Where the return with eMAG's id stands; on which platform, if several have the id."""
        return await self.told(self.find(emag_rma_id, platform))

    async def find(self, emag_rma_id: int | str, platform: str | None = None) -> Standing:
        """The same, as it stands in the books. Raises as row_of."""
        return await self.look(await self.row_of(emag_rma_id, platform))

    async def row_of(self, emag_rma_id: int | str, platform: str | None = None) -> int:
        """The ERP's row. Raises UnknownRowError, AmbiguousError, MalformedError."""
        engine = (await self.books()).engine
        number, account = _number(emag_rma_id), self._account_type
        row_id = await row_of(engine, self.kind, number, account, platform)
        if row_id is None:
            where = f" on {platform}" if platform else ""
            raise UnknownRowError(
                f"no return of the ERP's belongs to eMAG's return {number}{where}: see that the"
                " number is right; a return that is new at eMAG comes with the next sync"
            )
        return row_id


def _number(emag_rma_id: object) -> str:
    number = str(emag_rma_id).strip()
    if not order_number(number):
        raise MalformedError(
            f"emag_rma_id: must be eMAG's number of a return, 1 to {HIGHEST_ORDER}", "emag_rma_id"
        )
    return number
