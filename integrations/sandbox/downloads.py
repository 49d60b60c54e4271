"""eMAG fetching the documents that were attached, some time later (API facts, Attachments)."""

from __future__ import annotations

import httpx

from integrations.sandbox.state import Download, State

MOST_BYTES = 10 * 1024 * 1024
TIMEOUT_SECONDS = 10.0


async def download_documents(market: State) -> list[Download]:
    """Fetch every document that waits to be fetched, once; returns these attempts.

    A document that can't be had fails silently for the seller, as at eMAG: it shows here only.
    """
    waiting, market.awaiting_download = market.awaiting_download, []
    attempts = []
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=True) as client:
        for order_id, name, url in waiting:
            detail = await _fetched(client, url)
            attempts.append(Download(order_id, name, url, detail == "", detail, market.now()))
    market.downloads.extend(attempts)
    return attempts


async def _fetched(client: httpx.AsyncClient, url: str) -> str:
    """What is wrong with the document at an address; an empty text if nothing is."""
    try:
        async with client.stream("GET", url) as answer:
            if answer.status_code != 200:
                return f"HTTP {answer.status_code}"
            content = b""
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > MOST_BYTES:
                    return "larger than 10 MB"
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        return type(problem).__name__
    return "" if content.startswith(b"%PDF-") else "not a PDF"
