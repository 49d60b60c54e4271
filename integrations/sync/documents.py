"""Look at a document as eMAG will: it fetches what is attached from its address."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

import httpx

from integrations.emag.pdf import BEGIN, LARGEST, TAIL, why_refused
from integrations.emag.trust import tls
from integrations.sync.plan_invoices import Document

SECONDS = 20.0
AT_ONCE = 8

# A process may run one event loop after another, and none of them can wait for another's.
_GATES: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class DocumentUnreachableError(Exception):
    """The document's host did not answer: that may be different later."""


async def fetch_document(url: str) -> Document:
    """Fetch a document and judge it: a PDF of at most 10 MB.

    Raises:
        DocumentUnreachableError: its host could not be asked or had an error of its own.
    """
    try:
        async with _gate(), asyncio.timeout(SECONDS):
            return await _fetch(url)
    except (httpx.TransportError, TimeoutError) as error:
        raise DocumentUnreachableError(
            f"The document's host did not answer ({type(error).__name__}):"
            " it is tried again, check pdf_url."
        ) from error
    except httpx.InvalidURL:
        return Document(ok=False, problem="the address is malformed")


def _gate() -> asyncio.Semaphore:
    return _GATES.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))


async def _fetch(url: str) -> Document:
    async with (
        httpx.AsyncClient(
            verify=tls(), timeout=SECONDS, follow_redirects=True, trust_env=False
        ) as client,
        client.stream("GET", url) as response,
    ):
        if response.status_code >= 500:
            raise DocumentUnreachableError(
                f"The document's host answered HTTP {response.status_code}: it is tried again."
            )
        if response.status_code != 200:
            return Document(ok=False, problem=f"its host answered HTTP {response.status_code}")
        return await _judge(response)


async def _judge(response: httpx.Response) -> Document:
    head, tail, size = b"", b"", 0
    async for chunk in response.aiter_bytes():
        head += chunk[: len(BEGIN) - len(head)]
        tail = (tail + chunk)[-TAIL:]
        size += len(chunk)
        if size > LARGEST or not BEGIN.startswith(head):
            break
    problem = why_refused(head, tail, size)
    return Document(ok=problem is None, problem=problem)
