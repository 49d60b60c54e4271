"""Documents are stored by the ERP's programs and fetched by eMAG under a name nobody guesses."""

from __future__ import annotations

import httpx
import pytest

from integrations.emag.pdf import LARGEST
from integrations.ledger.database import rolled_back
from integrations.ledger.engine import Engine

PDF = b"%PDF-1.7 invented\n%%EOF\n"


@pytest.fixture
async def invoice(api: httpx.AsyncClient) -> int:
    form = {"emag_order_id": "480000101", "invoice_number": "EX-1"}
    return int((await api.post("/invoice/create", json=form)).json()["row_id"])


async def test_the_invoice_points_at_its_document(
    api: httpx.AsyncClient, stranger: httpx.AsyncClient, engine: Engine, invoice: int
) -> None:
    stored = (await api.put(f"/documents/{invoice}", content=PDF)).json()
    assert stored["url"].startswith("https://shop.example.com/api/v1/emag/documents/")
    async with rolled_back(engine) as connection:
        row = (await connection.execute("SELECT pdf_url, pdf_generated FROM app.invoices")).one()
    assert tuple(row) == (stored["url"], True)
    fetched = await stranger.get(f"/documents/{stored['url'].rpartition('/')[2]}")
    assert (fetched.content, fetched.headers["content-type"]) == (PDF, "application/pdf")


async def test_the_same_document_keeps_its_address(api: httpx.AsyncClient, invoice: int) -> None:
    first, again, other = [
        (await api.put(f"/documents/{invoice}", content=content)).json()["url"]
        for content in (PDF, PDF, b"%PDF-1.7 another\n%%EOF\n")
    ]
    assert first == again != other


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"<html>", 422, "that begins with %PDF-"),
        (b"", 422, "it is empty"),
        (PDF[:-8], 422, "cut off"),
        (PDF + b"x" * 2000, 422, "cut off"),
        (b"%PDF-" + b"x" * LARGEST, 413, "store a smaller one"),
    ],
)
async def test_what_emag_would_not_take_is_refused(
    api: httpx.AsyncClient, invoice: int, content: bytes, status: int, said: str
) -> None:
    answer = await api.put(f"/documents/{invoice}", content=content)
    assert (answer.status_code, answer.json()["field"]) == (status, "body")
    assert said in answer.json()["detail"]


async def test_a_little_may_follow_the_end_of_a_document(
    api: httpx.AsyncClient, invoice: int
) -> None:
    answer = await api.put(f"/documents/{invoice}", content=PDF + b"\0" * 1000)
    assert answer.status_code == 200


async def test_an_unknown_invoice_gets_none(api: httpx.AsyncClient) -> None:
    answer = await api.put("/documents/77", content=PDF)
    assert (answer.status_code, answer.json()["field"]) == (404, "invoice_id")


async def test_storing_needs_the_token(stranger: httpx.AsyncClient, invoice: int) -> None:
    assert (await stranger.put(f"/documents/{invoice}", content=PDF)).status_code == 401


@pytest.mark.parametrize("name", ["0" * 48, "..", "x", "0" * 47])
async def test_a_guess_finds_nothing(stranger: httpx.AsyncClient, name: str) -> None:
    assert (await stranger.get(f"/documents/{name}.pdf")).status_code in (404, 422)
