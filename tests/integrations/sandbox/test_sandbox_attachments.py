"""order/attachments: what can be attached to what, and eMAG fetching it later."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.sandbox.documents import small_pdf
from integrations.sandbox.downloads import download_documents
from integrations.sandbox.server import serving

from .conftest import ORDER, Seller

DOCUMENT = {
    "order_id": ORDER,
    "order_type": 3,
    "type": 1,
    "name": "Factura EX 1001",
    "url": "https://facturi.example.com/p/EX-1001.pdf",
    "force_download": 0,
}


@pytest.fixture(autouse=True)
def order(seller: Seller) -> None:
    seller.market.add_order({"id": ORDER, "status": 4})


async def attach(seller: Seller, **fields: Any) -> bool:
    document = {**DOCUMENT, **fields}
    document = {name: value for name, value in document.items() if value is not None}
    answer = await seller.post("order/attachments/save", {"data": [document]})
    assert answer["results"] == ([] if answer["isError"] else [None])
    return not answer["isError"]


async def names(seller: Seller) -> list[str]:
    answer = await seller.post("order/attachments/read", {"order_id": ORDER, "order_type": 3})
    return [row["name"] for row in answer["results"]]


@pytest.mark.parametrize("kind", [1, 4, 8, 10, 11, 13])
async def test_types(seller: Seller, kind: int) -> None:
    assert await attach(seller, type=kind)
    assert (await seller.order())["attachments"][0]["type"] == kind


@pytest.mark.parametrize(
    "fields",
    [
        {"order_type": None},
        {"order_type": 4},
        {"order_type": 2},  # the order has another
        {"order_id": 99},
        {"order_id": None},
        {"name": ""},
        {"name": None},
        {"name": "x" * 61},
        {"url": ""},
        {"url": None},
        {"url": "https://x.example/" + "x" * 1024},
        {"url": "ftp://x.example/1.pdf"},
        {"url": "1.pdf"},
        {"url": "https://"},
        {"url": "https://[x"},
        {"type": 2},
        {"type": "invoice"},
        {"type": 3},  # a warranty names its product
        {"force_download": 7},
    ],
)
async def test_what_is_refused(seller: Seller, fields: dict[str, Any]) -> None:
    assert not await attach(seller, **fields)
    assert await names(seller) == []
    assert seller.broken_rules() == ["rule"]


async def test_the_longest_name_and_address(seller: Seller) -> None:
    url = "https://x.example/".ljust(1024, "x")
    assert await attach(seller, name="x" * 60, url=url)


@pytest.mark.parametrize("status", range(6))
@pytest.mark.parametrize("kind", [2, 3])
async def test_orders_of_every_status_and_type_take_them(
    seller: Seller, status: int, kind: int
) -> None:
    seller.market.add_order({"id": 7, "status": status, "type": kind})
    assert await attach(seller, order_id=7, order_type=kind)


async def test_one_warranty_for_each_product(seller: Seller) -> None:
    line = (await seller.order())["products"][0]["id"]
    assert await attach(seller, type=3, order_product_id=line)
    assert not await attach(seller, type=3, order_product_id=line)
    assert not await attach(seller, type=3, order_product_id=line + 99)
    assert (await seller.order())["products"][0]["attachments"][0]["type"] == 3


async def test_nothing_protects_from_doing_it_twice(seller: Seller) -> None:
    assert await attach(seller)
    assert await attach(seller)
    assert await names(seller) == ["Factura EX 1001"] * 2
    assert len(seller.market.journal.effects_of("attachment", ORDER)) == 2
    assert len(list(seller.market.journal.repeated())) == 1


async def test_the_same_address_is_merged_by_switch(seller: Seller) -> None:
    seller.switch(attachment_duplicates="merged")
    await attach(seller)
    assert await attach(seller)
    assert len(seller.market.journal.effects_of("attachment", ORDER)) == 1


async def test_force_download_refreshes_the_same_address(seller: Seller) -> None:
    await attach(seller)
    assert await attach(seller, name="Factura noua", force_download=1)
    assert await names(seller) == ["Factura noua"]
    kinds = [effect.kind for effect in seller.market.journal.effects]
    assert kinds == ["attachment", "attachment.refresh"]


async def test_where_the_filter_of_a_read_must_stand(seller: Seller) -> None:
    seller.market.add_order({"id": 7, "attachments": [{"name": "other", "url": "https://x"}]})
    await attach(seller)
    every = ["other", "Factura EX 1001"]

    async def found(body: object) -> set[str]:
        answer = await seller.post("order/attachments/read", body)
        return {row["name"] for row in answer["results"]}

    assert await found({"order_id": ORDER}) == {"Factura EX 1001"}
    assert await found({"order_id": ORDER, "order_type": 2}) == set()
    assert await found({"data": {"id": ORDER}}) == set(every)
    seller.switch(attachments_filter="data")
    assert await found({"data": {"id": ORDER}}) == {"Factura EX 1001"}
    assert await found({"order_id": ORDER}) == set(every)


async def test_emag_fetches_documents_later_and_keeps_quiet_about_failures(
    seller: Seller,
) -> None:
    market = seller.market
    paths = {kind: market.add_document(kind, kind=kind) for kind in ("pdf", "html", "missing")}
    paths["big"] = market.add_document("big", kind="big")
    async with serving(market) as base_url:
        host = base_url.removesuffix("/api-3")
        for name, path in paths.items():
            assert await attach(seller, name=name, url=host + path)
        assert market.downloads == []
        await download_documents(market)
    outcome = {attempt.name: (attempt.ok, attempt.detail) for attempt in market.downloads}
    assert outcome == {
        "pdf": (True, ""),
        "html": (False, "not a PDF"),
        "missing": (False, "HTTP 404"),
        "big": (False, "larger than 10 MB"),
    }
    assert await download_documents(market) == []


async def test_documents_are_served_without_credentials(seller: Seller) -> None:
    path = seller.market.add_document("EX-1.pdf", b"%PDF-1.4 mine")
    assert path == "/sandbox/documents/EX-1.pdf"
    answer = await seller.http.get(path, auth=("", ""))
    assert (answer.content, answer.headers["content-type"]) == (
        b"%PDF-1.4 mine",
        "application/pdf",
    )
    assert (await seller.http.get("/sandbox/documents/none.pdf")).status_code == 404


def test_the_pdf_that_is_made_is_one() -> None:
    pdf = small_pdf("Factura (1001)")
    assert pdf.startswith(b"%PDF-1.4")
    assert pdf.endswith(b"%%EOF\n")
    start = int(pdf.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    assert pdf[start:].startswith(b"xref\n0 7\n")
    offsets = [int(row[:10]) for row in pdf[start:].split(b"\n")[3:9]]
    assert [pdf[at:].startswith(b"%d 0 obj" % n) for n, at in enumerate(offsets, 1)] == [True] * 6


async def test_issued_invoices_are_found_by_category_number_days_and_order(seller: Seller) -> None:
    market = seller.market
    market.add_issued_invoice({"category": "FC", "number": "C-1", "date": "2026-02-28"})
    market.add_issued_invoice({"category": "FCD", "number": "C-2", "date": "2026-03-10"})
    market.add_issued_invoice({"category": "normal", "number": "N-1", "order_id": ORDER})
    market.add_issued_invoice({"category": "storno", "number": "N-2", "order_id": 7})

    async def found(route: str, **filters: Any) -> list[str]:
        results = (await seller.post(route, filters))["results"]
        assert results["total_results"] >= len(results["invoices"])
        return [invoice["number"] for invoice in results["invoices"]]

    assert await found("invoice/read") == ["C-1", "C-2"]
    assert await found("invoice/read", category="FCD") == ["C-2"]
    assert await found("invoice/read", number="C-1") == ["C-1"]
    assert await found("invoice/read", date_start="2026-03-01", date_end="2026-03-10") == ["C-2"]
    assert await found("invoice/read", itemsPerPage=1, currentPage=2) == ["C-2"]
    assert await found("customer-invoice/read", order_id=ORDER) == ["N-1"]
    assert await found("customer-invoice/read", category="storno") == ["N-2"]
    assert (await seller.post("invoice/read", {"date_start": "x"}))["isError"] is True
    seller.switch(invoices_at_root=True)
    answer = await seller.post("invoice/read")
    assert (answer["total_results"], len(answer["invoices"])) == (2, 2)
    assert "results" not in answer
