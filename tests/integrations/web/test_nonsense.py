"""What looks like a value and is none is refused: nothing is written, no other row is meant."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from integrations.ledger.engine import Engine
from tests.integrations.web.test_operations import rows

ORDER = {"emag_order_id": "480000101"}
INVOICE = {**ORDER, "invoice_number": "EX-1"}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/order/process_refund", {"cancellation_id": True}, "cancellation_id"),
        ("/rma/update_status", {"return_id": True, "status": "cancelled"}, "return_id"),
        ("/rma/update_status", {"rma_id": True, "status": "cancelled"}, "rma_id"),
        ("/invoice/update_payment", {"invoice_id": True}, "invoice_id"),
        ("/rma/create", {**ORDER, "items": [{"product_id": True}]}, "items.0.product_id"),
    ],
)
async def test_true_is_no_number_of_the_first_row(
    api: httpx.AsyncClient, path: str, body: dict[str, Any], field: str
) -> None:
    for create, form in (
        ("order/cancel", ORDER),
        ("rma/create", ORDER),
        ("invoice/create", INVOICE),
    ):
        assert (await api.post(f"/{create}", json=form)).is_success
    answer = await api.post(path, json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


@pytest.mark.parametrize("number", [0, 1.5, True, "0", "-5", "20261128", "1764324000", "1e3"])
async def test_a_number_is_no_day(api: httpx.AsyncClient, number: object) -> None:
    answer = await api.post("/invoice/create", json={**INVOICE, "invoice_date": number})
    assert (answer.status_code, answer.json()["field"]) == (422, "invoice_date")
    assert "like 2026-11-28" in answer.json()["detail"]


@pytest.mark.parametrize("code", ["NaN", "RO", "LEI", "USD", 1, ""])
async def test_a_currency_is_one_of_emags(api: httpx.AsyncClient, code: object) -> None:
    answer = await api.post("/invoice/create", json={**INVOICE, "currency": code})
    assert (answer.status_code, answer.json()["field"]) == (422, "currency")
    assert "'RON', 'EUR', 'HUF' or 'BGN'" in answer.json()["detail"]


@pytest.mark.parametrize("code", ["RON", "eur"])
async def test_a_currency_is_stored_as_its_code(
    api: httpx.AsyncClient, engine: Engine, code: str
) -> None:
    await api.post("/invoice/create", json={**INVOICE, "currency": code})
    [row] = await rows(engine, "SELECT currency FROM app.invoices")
    assert row["currency"] == code.upper()


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/invoice/create", "invoice_number"),
        ("/order/cancel", "cancellation_number"),
        ("/rma/create", "return_number"),
    ],
)
@pytest.mark.parametrize("blank", [" ", "\t\n", "\u00a0"])
async def test_a_blank_is_no_number_of_a_row(
    api: httpx.AsyncClient, path: str, field: str, blank: str
) -> None:
    answer = await api.post(path, json={**ORDER, field: blank})
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert "must not be blank" in answer.json()["detail"]
