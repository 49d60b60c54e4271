"""What a program sends stands in the ERP's row as it was sent, or it is told why nothing does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine
from integrations.services.books import Database
from integrations.web.context import Context
from tests.integrations.web.conftest import open_client

CANCELLATION = {"emag_order_id": "480000101", "reason": "customer_request"}
RETURN = {"emag_order_id": "480000101", "status": "pending"}
INVOICE = {"emag_order_id": "480000101", "invoice_number": "EX-1"}
PDF = b"%PDF-1.7 invented\n%%EOF\n"


async def rows(engine: Engine, query: str) -> list[dict[str, Any]]:
    async with transaction(engine) as connection:
        result = await connection.execute(query)
        return [row._asdict() for row in result]


async def altered(context: Context, change: str) -> Context:
    """The server as it starts over an ERP whose tables differ so."""
    await rows(context.database.engine, change)
    return Context(
        accounts=context.accounts,
        database=Database(context.database.engine),
        secret=context.secret,
        examine=context.examine,
        token=context.token,
        public_url=context.public_url,
    )


@pytest.mark.parametrize(
    ("path", "form", "table"),
    [
        ("/order/cancel", CANCELLATION, "cancellation_items"),
        ("/rma/create", RETURN, "return_items"),
    ],
)
async def test_an_item_without_a_quantity_means_the_whole_line(
    api: httpx.AsyncClient, engine: Engine, path: str, form: dict[str, str], table: str
) -> None:
    items = [{"product_id": "PN-1"}, {"product_id": "PN-2", "quantity": "2"}]

    answer = await api.post(path, json={**form, "items": items})

    assert answer.status_code == 202
    stored = await rows(engine, f"SELECT quantity FROM app.{table} ORDER BY id")
    assert [row["quantity"] for row in stored] == [None, 2]


async def test_a_row_that_somebody_holds_is_told_of_and_left_as_it_is(
    api: httpx.AsyncClient, engine: Engine
) -> None:
    row_id = (await api.post("/rma/create", json=RETURN)).json()["row_id"]
    async with transaction(engine) as holder:
        await holder.execute("SELECT id FROM app.return_requests FOR UPDATE")
        decision = {"return_id": row_id, "status": "approved"}
        answer = await api.post("/rma/update_status", json=decision)

    assert answer.status_code == 503
    assert "another transaction holds the row in app.return_requests" in answer.json()["detail"]
    assert answer.headers["Retry-After"]
    [row] = await rows(engine, "SELECT status FROM app.return_requests")
    assert row["status"] == "pending"


async def test_a_document_of_an_invoice_that_somebody_holds_is_not_stored(
    api: httpx.AsyncClient, engine: Engine
) -> None:
    invoice = (await api.post("/invoice/create", json=INVOICE)).json()["row_id"]
    async with transaction(engine) as holder:
        await holder.execute("SELECT id FROM app.invoices FOR UPDATE")
        answer = await api.put(f"/documents/{invoice}", content=PDF)

    assert answer.status_code == 503
    assert "another transaction holds the row in app.invoices" in answer.json()["detail"]
    assert await rows(engine, "SELECT name FROM app.emag_documents") == []


@pytest.mark.parametrize(
    ("path", "form", "field"),
    [
        (
            "/order/cancel",
            {**CANCELLATION, "items": [{"product_id": 2**80}]},
            "items.0.product_id",
        ),
        ("/rma/create", {**RETURN, "items": [{"product_id": 2**63}]}, "items.0.product_id"),
        (
            "/invoice/create",
            {**INVOICE, "invoice_date": "0001-01-01T00:00:00+14:00"},
            "invoice_date",
        ),
        ("/invoice/create", {**INVOICE, "due_date": "9999-12-31T23:59:59-12:00"}, "due_date"),
    ],
)
async def test_a_number_or_a_moment_out_of_range_is_named(
    api: httpx.AsyncClient, path: str, form: dict[str, Any], field: str
) -> None:
    answer = await api.post(path, json=form)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert answer.json()["detail"].startswith(f"{field}: must be ")


@pytest.mark.parametrize(
    ("change", "given", "field", "said"),
    [
        (
            "ALTER TABLE app.cancellation_requests ALTER reason_description TYPE varchar(5)",
            {"reason_description": "sold out"},
            "reason_description",
            "holds 5 characters, not 8",
        ),
        (
            "ALTER TABLE app.cancellation_requests DROP COLUMN internal_notes",
            {"internal_notes": "told by phone"},
            "internal_notes",
            "has no column internal_notes: add it",
        ),
        (
            "ALTER TABLE app.cancellation_items ALTER quantity TYPE integer",
            {"items": [{"product_id": "PN-1", "quantity": "1.5"}]},
            "items.0.quantity",
            "holds whole numbers",
        ),
        (
            "ALTER TABLE app.cancellation_items ALTER product_id TYPE bigint USING NULL",
            {"items": [{"product_id": "PN-1"}]},
            "items.0.product_id",
            "holds whole numbers",
        ),
        (
            "ALTER TABLE app.cancellation_requests ALTER refund_amount TYPE numeric(12, 0)",
            {"refund_amount": "10.50"},
            "refund_amount",
            "holds 0 decimals",
        ),
        (
            "ALTER TABLE app.cancellation_items ALTER quantity SET NOT NULL",
            {"items": [{"product_id": "PN-1"}]},
            "quantity",
            "app.cancellation_items.quantity must be given: send quantity",
        ),
        ("SELECT 1", {"internal_notes": "a\0b"}, "internal_notes", "no character of code 0"),
    ],
)
async def test_what_the_erp_has_no_room_for_is_refused_not_shortened(
    context: Context, change: str, given: dict[str, Any], field: str, said: str
) -> None:
    async with open_client(await altered(context, change)) as api:
        answer = await api.post("/order/cancel", json={**CANCELLATION, **given})

    assert (answer.status_code, answer.json()["field"]) == (409, field)
    assert said in answer.json()["detail"]
    assert await rows(context.database.engine, "SELECT id FROM app.cancellation_requests") == []


async def test_whole_amounts_fit_whole_columns(context: Context) -> None:
    change = "ALTER TABLE app.cancellation_items ALTER quantity TYPE integer"
    items = [{"product_id": "PN-1", "quantity": "2.000"}]
    async with open_client(await altered(context, change)) as api:
        await api.post("/order/cancel", json={**CANCELLATION, "items": items})

    [row] = await rows(context.database.engine, "SELECT quantity FROM app.cancellation_items")
    assert row["quantity"] == 2


async def test_a_column_that_nobody_spoke_of_may_be_missing(context: Context) -> None:
    change = "ALTER TABLE app.cancellation_requests DROP COLUMN refund_status"
    async with open_client(await altered(context, change)) as api:
        answer = await api.post("/order/cancel", json=CANCELLATION)
    assert answer.status_code == 202


async def test_a_decision_may_come_in_any_case(api: httpx.AsyncClient, engine: Engine) -> None:
    row_id = (await api.post("/rma/create", json=RETURN)).json()["row_id"]
    decision = {"return_id": row_id, "status": "APPROVED"}
    assert (await api.post("/rma/update_status", json=decision)).status_code == 202
    [row] = await rows(engine, "SELECT status FROM app.return_requests")
    assert row["status"] == "approved"


@pytest.mark.parametrize(
    ("path", "takes"),
    [("/invoice/create", {"Idempotency-Key", "wait"}), ("/invoice/update_payment", set())],
)
async def test_only_what_writes_a_row_offers_a_key_and_a_wait(
    stranger: httpx.AsyncClient, context: Context, path: str, takes: set[str]
) -> None:
    from integrations.web.app import create_app

    operation = create_app(context).openapi()["paths"][f"/api/v1/emag{path}"]["post"]
    names = {each["name"] for each in operation.get("parameters", [])}
    assert names & {"Idempotency-Key", "wait"} == takes


@pytest.mark.parametrize("named", [{}, {"account_type": "Main"}], ids=["unnamed", "named"])
@pytest.mark.parametrize(
    ("path", "form", "table"),
    [
        ("/order/cancel", CANCELLATION, "cancellation_requests"),
        ("/invoice/create", INVOICE, "invoices"),
    ],
)
async def test_a_row_without_a_currency_has_that_of_its_accounts_platform(
    context: Context, path: str, form: dict[str, Any], table: str, named: dict[str, str]
) -> None:
    [account] = context.accounts.values()
    hungarian = replace(account, base_url="https://marketplace-api.emag.hu/api-3")
    async with open_client(replace(context, accounts={account.name: hungarian})) as api:
        headers = {"Idempotency-Key": "one"}
        answers = [await api.post(path, json={**form, **named}, headers=headers) for _ in "ab"]
        said = {**form, **named, "currency": "EUR", "invoice_number": "EX-2"}
        if "invoice_number" not in form:
            del said["invoice_number"]
        await api.post(path, json=said)

    assert [answer.status_code for answer in answers] == [202, 202]
    stored = await rows(context.database.engine, f"SELECT currency FROM app.{table} ORDER BY id")
    assert [row["currency"] for row in stored] == ["HUF", "EUR"]


async def test_of_accounts_in_several_currencies_the_one_that_is_named_counts(
    context: Context,
) -> None:
    [account] = context.accounts.values()
    hungarian = replace(account, name="hu", base_url="https://marketplace-api.emag.hu/api-3")
    accounts = {account.name: account, "hu": hungarian}
    async with open_client(replace(context, accounts=accounts)) as api:
        await api.post("/order/cancel", json={**CANCELLATION, "account_type": "hu"})
        await api.post("/order/cancel", json=CANCELLATION)

    query = "SELECT currency FROM app.cancellation_requests ORDER BY id"
    stored = await rows(context.database.engine, query)
    assert [row["currency"] for row in stored] == ["HUF", "RON"], "else the ERP's default"
