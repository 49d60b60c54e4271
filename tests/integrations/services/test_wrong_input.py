"""Wrong input to the guide's classes is a failed result that names it: nothing is raised."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest

from integrations.ledger.database import rolled_back, transaction
from integrations.ledger.engine import Engine
from integrations.services import (
    EmagCancellationIntegration,
    EmagInvoiceIntegration,
    EmagRMAIntegration,
)
from integrations.services.books import Database

RETURN = {"emag_order_id": "480000101", "status": "pending"}
INVOICE = {"emag_order_id": "480000101", "invoice_number": "EX-1"}


class Status(Enum):
    """An ERP's own enum, in capitals."""

    APPROVED = "APPROVED"


@pytest.fixture
async def database(engine: Engine) -> Database:
    return Database(engine)


async def status_of(database: Database, row_id: object) -> object:
    query = "SELECT status FROM app.return_requests WHERE id = :id"
    async with rolled_back(database.engine) as connection:
        return (await connection.execute(query, {"id": row_id})).scalar_one()


@pytest.mark.parametrize("word", ["approved", "Approved", Status.APPROVED])
async def test_a_decision_is_a_word_of_the_erps_in_any_case(database: Database, word: Any) -> None:
    service = EmagRMAIntegration(database=database)
    row_id = (await service.create_return_request(RETURN))["row_id"]
    told = await service.update_return_status(row_id, word)
    assert told["success"]
    assert await status_of(database, row_id) == "approved"


@pytest.mark.parametrize("word", ["accepted", "", 3])
async def test_another_word_decides_nothing(database: Database, word: Any) -> None:
    service = EmagRMAIntegration(database=database)
    row_id = (await service.create_return_request(RETURN))["row_id"]
    told = await service.update_return_status(row_id, word)
    assert (told["success"], told["state"]) == (False, "error")
    assert str(told["error"]).startswith("status: ")
    assert await status_of(database, row_id) == "pending"


@pytest.mark.parametrize("wrong", ["abc", True, 0, -1, 2**63, 2**80, None, 1.5])
async def test_what_is_no_id_finds_nothing(database: Database, wrong: Any) -> None:
    rma, invoices = EmagRMAIntegration(database=database), EmagInvoiceIntegration(database=database)
    cancellations = EmagCancellationIntegration(database=database)
    answers = [
        await rma.get_return(wrong),
        await rma.update_return_status(wrong, "approved"),
        await invoices.get_invoice(wrong),
        await invoices.update_payment(wrong),
        await invoices.create_invoice(wrong),
        await cancellations.process_refund(wrong),
    ]
    assert [each["state"] for each in answers] == ["error"] * len(answers)
    assert all(each["error"] for each in answers)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"invoice_date": "0001-01-01T00:00:00+14:00"}, "invoice_date"),
        ({"due_date": "9999-12-31T23:59:59-12:00"}, "due_date"),
    ],
)
async def test_a_moment_that_utc_lacks_is_named(
    database: Database, given: dict[str, str], field: str
) -> None:
    told = await EmagInvoiceIntegration(database=database).create_invoice({**INVOICE, **given})
    assert not told["success"]
    assert str(told["error"]).startswith(f"{field}: must be in the years 1 to 9999")


async def test_a_number_of_a_product_out_of_range_is_named(database: Database) -> None:
    form = {"emag_order_id": "480000101", "items": [{"product_id": 2**80}]}
    told = await EmagCancellationIntegration(database=database).create_cancellation_request(form)
    assert not told["success"]
    assert str(told["error"]).startswith("items.0.product_id: must be ")


async def test_a_row_that_somebody_holds_is_a_failed_result(database: Database) -> None:
    service = EmagRMAIntegration(database=database)
    row_id = (await service.create_return_request(RETURN))["row_id"]
    async with transaction(database.engine) as holder:
        await holder.execute("SELECT id FROM app.return_requests FOR UPDATE")
        told = await service.update_return_status(row_id, "approved")
    assert "another transaction holds the row" in str(told["error"])
