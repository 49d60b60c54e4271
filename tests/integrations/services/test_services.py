# ruff: noqa: T201 - the guide prints
"""The integration guide's classes: its examples run, and tell where a row stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine
from integrations.services import (
    EmagCancellationIntegration,
    EmagIntegrationManager,
    EmagInvoiceIntegration,
    EmagRMAIntegration,
)
from integrations.services.books import Database, close_all

RETURN = {"emag_order_id": "480000101", "status": "approved"}
CANCELLATION = {"emag_order_id": "480000101", "reason": "customer_request"}
INVOICE = {"emag_order_id": "480000101", "invoice_number": "EX-1"}


@pytest.fixture
async def database(engine: Engine) -> Database:
    return Database(engine)


@pytest.fixture
async def configured(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The environment of the ERP's own process."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    yield
    close_all()


async def sql(engine: Engine, statement: str, **values: object) -> list[dict[str, Any]]:
    async with transaction(engine) as connection:
        result = await connection.execute(statement, values)
        return [row._asdict() for row in result]


class TestTheGuidesExamples:
    """As they are printed, apart from the import line."""

    async def test_a_return(self, configured: None, capsys: pytest.CaptureFixture[str]) -> None:
        async def create_emag_rma(return_request: object) -> None:
            rma_service = EmagRMAIntegration()
            result = await rma_service.create_return_request(return_request)

            if result["success"]:
                print(f"RMA created: {result['emag_rma_id']}")
            else:
                print(f"Failed: {result['error']}")

        await create_emag_rma(RETURN)
        assert capsys.readouterr().out == "RMA created: None\n"

    async def test_a_cancellation(
        self, configured: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async def cancel_emag_order(cancellation_request: object) -> None:
            cancel_service = EmagCancellationIntegration()
            result = await cancel_service.create_cancellation_request(cancellation_request)

            if result["success"]:
                print(f"Cancellation created: {result['emag_cancellation_id']}")
            else:
                print(f"Failed: {result['error']}")

        await cancel_emag_order({"emag_order_id": "no number"})
        told = capsys.readouterr().out
        assert told.startswith("Failed: emag_order_id: ")

    async def test_an_invoice(self, configured: None, capsys: pytest.CaptureFixture[str]) -> None:
        async def create_emag_invoice(invoice: object) -> None:
            invoice_service = EmagInvoiceIntegration()
            result = await invoice_service.create_invoice(invoice)

            if result["success"]:
                print(f"Invoice created: {result['emag_invoice_id']}")
            else:
                print(f"Failed: {result['error']}")

        await create_emag_invoice(INVOICE)
        assert capsys.readouterr().out == "Invoice created: None\n"


class Reason(Enum):
    """An ERP's own enum, in capitals."""

    OTHER = "OTHER"


@dataclass
class ErpRow:
    """An ERP's object that is not stored yet."""

    emag_order_id: int = 480000101
    reason: Reason = Reason.OTHER
    status: str = "APPROVED"
    items: list[Any] = field(default_factory=list)


async def test_an_object_of_the_erps_is_inserted(database: Database) -> None:
    told = await EmagRMAIntegration(database=database).create_return_request(ErpRow())
    assert (told["success"], told["state"], told["error"]) == (True, "pending", None)
    [row] = await sql(database.engine, "SELECT status, reason FROM app.return_requests")
    assert row == {"status": "approved", "reason": "other"}


async def test_a_row_that_the_erp_holds_is_queued_not_copied(database: Database) -> None:
    engine = database.engine
    [row] = await sql(
        engine,
        "INSERT INTO app.return_requests (emag_order_id, status) VALUES ('480000101', 'approved')"
        " RETURNING id",
    )
    await sql(engine, "DELETE FROM app.emag_changes")  # from before capture
    told = await EmagRMAIntegration(database=database).create_return_request(row["id"])
    assert (told["state"], told["row_id"]) == ("pending", row["id"])
    assert await sql(engine, "SELECT row_id FROM app.emag_changes") == [{"row_id": row["id"]}]
    assert len(await sql(engine, "SELECT id FROM app.return_requests")) == 1


async def test_a_row_that_is_not_committed_is_not_there(database: Database) -> None:
    told = await EmagInvoiceIntegration(database=database).create_invoice(77)
    assert (told["success"], told["state"]) == (False, "error")
    assert "commit it first" in str(told["error"])


async def test_a_runner_carries_the_kind_at_once(database: Database) -> None:
    carried: list[Kind] = []

    async def runner(kind: Kind) -> None:
        carried.append(kind)

    service = EmagCancellationIntegration(database=database, runner=runner)
    await service.create_cancellation_request(CANCELLATION)
    assert carried == [Kind.CANCELLATION]


async def test_a_refusal_tells_why(database: Database) -> None:
    service = EmagCancellationIntegration(database=database)
    row_id = (await service.create_cancellation_request(CANCELLATION))["row_id"]
    await sql(database.engine, "DELETE FROM app.emag_changes")
    await sql(
        database.engine,
        "INSERT INTO app.emag_cancellation_integrations (cancellation_request_id, sync_state,"
        " error_message) VALUES (:id, 'refused', 'too late')",
        id=row_id,
    )
    told = await service.create_cancellation_request(row_id)
    assert (told["success"], told["error"]) == (False, "too late")


async def test_the_manager_holds_all_three(configured: None, database: Database) -> None:
    async with EmagIntegrationManager("main") as manager:
        made = await manager.rma.create_return_request(RETURN)
        assert made["row_id"] is not None
        told = await manager.sync_return_request(made["row_id"])
        assert told["state"] == "pending"
        assert (await manager.get_sync_status()).changes == 1


async def test_a_payment_of_an_order_that_nobody_knows_yet_is_not_asked_for(
    database: Database,
) -> None:
    service = EmagInvoiceIntegration(database=database)
    row_id = (await service.create_invoice(INVOICE))["row_id"]

    told = await service.update_payment(row_id)

    assert not told["success"]
    assert "no sync has looked at it yet: ask again once one has" in str(told["error"])
    assert await sql(database.engine, "SELECT order_id FROM app.emag_orders") == []


async def test_a_wrong_date_is_named_by_its_field(database: Database) -> None:
    wrong = {**INVOICE, "invoice_date": "tomorrow"}
    told = await EmagInvoiceIntegration(database=database).create_invoice(wrong)
    assert str(told["error"]).startswith("invoice_date: ")


async def test_a_number_that_two_platforms_use_is_found_by_its_platform(
    database: Database,
) -> None:
    service, made = EmagRMAIntegration(database=database), {}
    for platform in ("emag-ro", "emag-bg"):
        made[platform] = (await service.create_return_request(RETURN))["row_id"]
        await sql(
            database.engine,
            "INSERT INTO app.emag_return_integrations (return_request_id, emag_return_id,"
            " platform, sync_state) VALUES (:id, '52000001', :platform, 'synced')",
            id=made[platform],
            platform=platform,
        )

    unclear = await service.get_return(52000001)
    clear = await service.get_return(52000001, "emag-bg")

    assert not unclear["success"]
    assert "emag-bg and row" in str(unclear["error"])
    assert clear["row_id"] == made["emag-bg"]


async def test_asking_for_a_payment_queues_a_read_of_the_order(database: Database) -> None:
    service = EmagInvoiceIntegration(database=database)
    row_id = (await service.create_invoice(INVOICE))["row_id"]
    await sql(
        database.engine,
        "INSERT INTO app.emag_invoice_integrations (invoice_id, emag_order_id, platform,"
        " account_type, sync_state) VALUES (:id, 480000101, 'emag-ro', 'main', 'synced')",
        id=row_id,
    )

    told = await service.update_payment(row_id)

    assert told["success"]
    owed = await sql(database.engine, "SELECT order_id FROM app.emag_orders WHERE owed")
    assert owed == [{"order_id": 480000101}]


AWAY = "postgresql://erp:pa55word@127.0.0.1:9/erp"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DATABASE_URL": AWAY}, "the database: connection failed: "),
        ({}, "DATABASE_URL: is not set; services need the ERP's own database: set it"),
        ({"DATABASE_URL": AWAY, "EMAG_BASE_URL": "nonsense"}, "EMAG_BASE_URL: "),
    ],
)
async def test_where_there_is_no_database_every_service_says_so_in_its_answer(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"EMAG_USERNAME": "u", "EMAG_PASSWORD": "p", **variables}.items():
        monkeypatch.setenv(name, value)
    async with EmagIntegrationManager() as manager:
        answers = [
            await manager.rma.create_return_request(RETURN),
            await manager.rma.update_return_status(1, "approved"),
            await manager.rma.get_return(52000001),
            await manager.cancellations.create_cancellation_request(CANCELLATION),
            await manager.cancellations.process_refund(1),
            await manager.invoices.create_invoice(INVOICE),
            await manager.invoices.get_invoice(1),
            await manager.invoices.update_payment(1),
        ]

    for answer in answers:
        assert (answer["success"], answer["state"]) == (False, "error")
        assert answer["error"] is not None
        assert answer["error"].startswith(said)
        assert "pa55word" not in answer["error"]
        assert "\n" not in answer["error"]
