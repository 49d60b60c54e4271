"""A document is judged by what comes, in whatever pieces it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from integrations.sandbox.documents import small_pdf
from integrations.sync.documents import AT_ONCE, fetch_document
from integrations.sync.plan_invoices import Document

PDF = small_pdf("F-1001")


@asynccontextmanager
async def host(pieces: Sequence[bytes]) -> AsyncIterator[str]:
    """A document's address; its host sends it in these pieces and never says how long it is."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (*pieces, b""):
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/F-1001.pdf"


@pytest.mark.parametrize(
    "pieces",
    [
        [PDF],
        [PDF[:3], PDF[3:]],
        [bytes([byte]) for byte in PDF],
        [PDF[:-3], PDF[-3:]],
        [PDF, b" " * 1000],
    ],
)
async def test_a_whole_pdf_is_taken(pieces: Sequence[bytes]) -> None:
    async with host(pieces) as url:
        document = await fetch_document(url)
    assert (document.ok, document.problem) == (True, None)


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        ([], "it is empty"),
        ([PDF[:3]], "it is no PDF: that begins with %PDF-"),
        ([b"<!doctype html>", PDF], "it is no PDF: that begins with %PDF-"),
        ([PDF[:200], PDF[200:-6]], "it is cut off: a PDF ends with %%EOF"),
        ([PDF, b" " * 1100], "it is cut off: a PDF ends with %%EOF"),
        ([PDF, *[b" " * 1024 * 1024] * 10], "it is larger than 10 MB"),
    ],
)
async def test_what_emag_could_not_show_is_refused(pieces: Sequence[bytes], problem: str) -> None:
    async with host(pieces) as url:
        document = await fetch_document(url)
    assert (document.ok, document.problem) == (False, problem)


def test_more_than_go_at_once_are_fetched_by_one_event_loop_after_another() -> None:
    async def fetch_many() -> list[Document]:
        async with host([PDF]) as url:
            return await asyncio.gather(*(fetch_document(url) for _ in range(AT_ONCE + 2)))

    for _ in range(2):
        assert all(document.ok for document in asyncio.run(fetch_many()))
