"""The guide's operations on returns, orders and invoices: they write the ERP's rows alone."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from integrations.erp.forms import (
    LARGEST_ID,
    CancellationForm,
    EmagReturn,
    Id,
    InvoiceForm,
    Money,
    ReturnForm,
    ReturnWord,
    Text,
)
from integrations.erp.load import HIGHEST_ORDER
from integrations.erp.write import Value
from integrations.services import (
    EmagCancellationIntegration,
    EmagInvoiceIntegration,
    EmagRMAIntegration,
)
from integrations.web.answers import Answer, Key, Wait, answer
from integrations.web.context import Given
from integrations.web.problems import about, documented

router = APIRouter(
    responses={
        202: {"model": Answer, "description": "Taken on; something more happens by itself"},
        **documented(400, 401, 404, 408, 409, 413, 415, 421, 422, 429, 503),
    }
)

Platform = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,100}$")]


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _named_by(one: str, *others: str) -> dict[str, Any]:
    """In JSON Schema: this field is given, the others are not."""
    absent: dict[str, Any] = {other: {"type": "null"} for other in others}
    return {"required": [one], "properties": {one: {"type": "integer"}, **absent}}


class StatusChange(_Change):
    """A decision about a return: named by the ERP's id, or by eMAG's."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                _named_by("return_id", "rma_id", "platform"),
                _named_by("rma_id", "return_id"),
            ]
        }
    )

    return_id: Id | None = Field(default=None, description="The id in return_requests.")
    rma_id: EmagReturn | None = Field(default=None, description="eMAG's number of the return.")
    platform: Platform | None = Field(
        default=None, description="Where eMAG has that number; needed if several platforms do."
    )
    status: ReturnWord
    internal_notes: Text | None = None

    @model_validator(mode="after")
    def _names_one(self) -> StatusChange:
        if (self.return_id is None) == (self.rma_id is None):
            raise ValueError("give either return_id or rma_id")
        if self.platform is not None and self.rma_id is None:
            raise ValueError("platform says whose rma_id is meant: give both, or return_id alone")
        return self


class Refund(_Change):
    """A refund of a cancellation that the ERP holds."""

    cancellation_id: Id
    refund_amount: Money | None = None


class Payment(_Change):
    """An invoice whose payment is to be asked for."""

    invoice_id: Id


@router.post("/rma/create", tags=["returns"], summary="Take on a return")
async def create_return(
    given: Given,
    form: Annotated[ReturnForm, Body()],
    response: Response,
    key: Key = None,
    wait: Wait = 0,
) -> Answer:
    """Insert the ERP's row; the open return of its order at eMAG is found and linked."""
    service = EmagRMAIntegration(database=given.database, runner=given.runner)
    return answer(await service.take_on(form, key=key, wait=wait), response)


@router.post("/rma/update_status", tags=["returns"], summary="Decide about a return")
async def update_return_status(
    given: Given,
    change: Annotated[StatusChange, Body()],
    response: Response,
    key: Key = None,
    wait: Wait = 0,
) -> Answer:
    """Write the status into the ERP's row; eMAG is led there along its legal way."""
    values = change.model_dump(include={"status", "internal_notes"}, exclude_none=True)
    service = EmagRMAIntegration(database=given.database, runner=given.runner)
    with about("return_id" if change.rma_id is None else "rma_id"):
        row_id = change.return_id or await service.row_of(change.rma_id or 0, change.platform)
        return answer(await service.change(row_id, values, key=key, wait=wait), response)


@router.get("/rma/{rma_id}", tags=["returns"], summary="Where a return stands", status_code=200)
async def get_return(
    given: Given,
    rma_id: Annotated[int, Path(ge=1, le=HIGHEST_ORDER)],
    platform: Annotated[Platform | None, Query()] = None,
) -> Answer:
    """The integration row of eMAG's return; of the platform's, where several have the number."""
    with about("rma_id"):
        return answer(await EmagRMAIntegration(database=given.database).find(rma_id, platform))


@router.post("/order/cancel", tags=["orders"], summary="Cancel an order, or lines of it")
async def cancel_order(
    given: Given,
    form: Annotated[CancellationForm, Body()],
    response: Response,
    key: Key = None,
    wait: Wait = 0,
) -> Answer:
    """Insert the ERP's row; without items the whole order is meant."""
    service = EmagCancellationIntegration(
        database=given.database, runner=given.runner, accounts=given.accounts
    )
    return answer(await service.take_on(form, key=key, wait=wait), response)


@router.post("/order/process_refund", tags=["orders"], summary="Refund a cancelled order")
async def process_refund(
    given: Given,
    refund: Annotated[Refund, Body()],
    response: Response,
    key: Key = None,
    wait: Wait = 0,
) -> Answer:
    """Ask for the refund: storno of a finalized order; before that the cancellation is it."""
    values: dict[str, Value] = {"refund_status": "processing"}
    if refund.refund_amount is not None:
        values["refund_amount"] = refund.refund_amount
    service = EmagCancellationIntegration(database=given.database, runner=given.runner)
    with about("cancellation_id"):
        standing = await service.change(refund.cancellation_id, values, key=key, wait=wait)
    return answer(standing, response)


@router.post("/invoice/create", tags=["invoices"], summary="Attach an invoice to its order")
async def create_invoice(
    given: Given,
    form: Annotated[InvoiceForm, Body()],
    response: Response,
    key: Key = None,
    wait: Wait = 0,
) -> Answer:
    """Insert the ERP's row; its document is attached once there is one."""
    service = EmagInvoiceIntegration(
        database=given.database, runner=given.runner, accounts=given.accounts
    )
    return answer(await service.take_on(form, key=key, wait=wait), response)


@router.post("/invoice/update_payment", tags=["invoices"], summary="Ask whether it was paid")
async def update_payment(
    given: Given, payment: Annotated[Payment, Body()], response: Response
) -> Answer:
    """Queue a read of the order: payment is learnt from eMAG, never told to it."""
    service = EmagInvoiceIntegration(database=given.database)
    with about("invoice_id"):
        told = answer(await service.ask_for_payment(payment.invoice_id))
    response.status_code = 202
    return told


@router.get("/invoice/{invoice_id}", tags=["invoices"], summary="Where an invoice stands")
async def get_invoice(
    given: Given, invoice_id: Annotated[int, Path(ge=1, le=LARGEST_ID)]
) -> Answer:
    """The integration row of the ERP's invoice."""
    with about("invoice_id"):
        return answer(await EmagInvoiceIntegration(database=given.database).look(invoice_id))
