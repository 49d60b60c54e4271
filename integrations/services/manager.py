"""All services together."""

from __future__ import annotations

from types import TracebackType

from integrations.ledger.status import Status, read_status
from integrations.services.books import Database, close_all
from integrations.services.cancellations import EmagCancellationIntegration
from integrations.services.invoices import EmagInvoiceIntegration
from integrations.services.results import Result
from integrations.services.returns import EmagRMAIntegration
from integrations.services.service import Runner


class EmagIntegrationManager:
    """The three services over one database; as a context manager it closes what it opened."""

    def __init__(
        self,
        account_type: str | None = None,
        *,
        database: Database | None = None,
        wait: float = 0.0,
        runner: Runner | None = None,
    ) -> None:
        self.rma = EmagRMAIntegration(account_type, database=database, wait=wait, runner=runner)
        self.cancellations = EmagCancellationIntegration(
            account_type, database=database, wait=wait, runner=runner
        )
        self.invoices = EmagInvoiceIntegration(
            account_type, database=database, wait=wait, runner=runner
        )

    async def __aenter__(self) -> EmagIntegrationManager:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        close_all()

    async def sync_return_request(self, return_request_id: int) -> Result:
        """Queue a return of the ERP's by its id."""
        return await self.rma.create_return_request(return_request_id)

    async def sync_cancellation_request(self, cancellation_request_id: int) -> Result:
        """Queue a cancellation of the ERP's by its id."""
        return await self.cancellations.create_cancellation_request(cancellation_request_id)

    async def sync_invoice(self, invoice_id: int) -> Result:
        """Queue an invoice of the ERP's by its id."""
        return await self.invoices.create_invoice(invoice_id)

    async def get_sync_status(self) -> Status:
        """How many rows stand where, as `emag-flows status` tells it.

        Raises:
            ConfigurationError, psycopg.Error: there is no database to ask, or it does not answer.
        """
        return await read_status((await self.rma.books()).engine)
