"""Connections as they are served: those on which nothing comes end, and keep nobody out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from flows.api import make_server
from flows.listening import listening
from integrations.web import connections, guard
from integrations.web.app import create_app
from integrations.web.context import Context
from tests.integrations.web.conftest import TOKEN

PATIENCE_SECONDS = 60.0

HEADERS = f"Host: shop\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"


@asynccontextmanager
async def serving(context: Context) -> AsyncIterator[int]:
    """The server of `emag-flows api` on a free port."""
    with listening("127.0.0.1", 0) as sockets:
        port = sockets[0].getsockname()[1]
        server = make_server(create_app(context), "127.0.0.1", port)
        task = asyncio.create_task(server.serve(sockets=list(sockets)))
        try:
            yield port
        finally:
            server.should_exit = True
            await task


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that waits a fraction of a second only."""
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.3)


async def what_comes(reader: asyncio.StreamReader) -> bytes:
    """All that the server says until it ends the connection."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await reader.read()


async def test_idle_connections_keep_nobody_out(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST", 20)
    monkeypatch.setattr(connections, "ROOM", 5)
    async with serving(context) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            shown = {"Authorization": f"Bearer {TOKEN}"}
            seller = await client.get("/api/v1/emag/integration/flows", headers=shown)
            watcher = await client.get("/health")
        assert (seller.status_code, watcher.status_code) == (200, 200)
        assert await what_comes(idle[0][0]) == b""
        for _, writer in idle:
            writer.close()


async def test_who_has_asked_for_something_stays_while_others_never_have(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST", 20)
    monkeypatch.setattr(connections, "ROOM", 5)
    async with serving(context) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        asks = b"GET /health HTTP/1.1\r\nHost: shop\r\n\r\n"
        writer.write(asks)
        await reader.readuntil(b"}")
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
        writer.write(asks)
        assert b"200 OK" in await reader.readuntil(b"}")
        for each in (writer, *(writer for _, writer in idle)):
            each.close()


@pytest.mark.usefixtures("hasty")
async def test_a_connection_on_which_nothing_comes_is_ended(context: Context) -> None:
    async with serving(context) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await what_comes(reader) == b""
        writer.close()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("before", "answers"),
    [
        (b"", 0),
        (b"GET /health HTTP/1.1\r\nHost: shop\r\n\r\n", 1),
        (b"POST /no/token HTTP/1.1\r\nHost: shop\r\nContent-Length: 100000\r\n\r\n", 1),
    ],
)
async def test_what_comes_byte_by_byte_wins_no_time(
    context: Context, before: bytes, answers: int
) -> None:
    async with serving(context) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(before)
        ended = asyncio.create_task(what_comes(reader))
        with suppress(ConnectionError):
            for byte in b"GET /health HTTP/1.1\r\nX-Long: " + b"x" * 10_000:
                writer.write(bytes([byte]))
                await writer.drain()
                if ended.done():
                    break
                await asyncio.sleep(0.05)
        with suppress(ConnectionError):
            assert (await ended).count(b"HTTP/1.1 ") == answers
        writer.close()


@pytest.mark.usefixtures("hasty")
async def test_a_body_that_does_not_come_is_a_problem(context: Context) -> None:
    async with serving(context) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        line = "POST /api/v1/emag/order/cancel HTTP/1.1\r\n"
        writer.write(f"{line}{HEADERS}Content-Length: 100\r\n\r\n{{".encode())
        said = await what_comes(reader)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b"the body has not come within 0.3 s: send it again" in said
        writer.close()


@pytest.mark.usefixtures("hasty")
async def test_an_answer_may_take_as_long_as_was_asked_for(context: Context) -> None:
    async with serving(context) as port, httpx.AsyncClient() as client:
        answer = await client.post(
            f"http://127.0.0.1:{port}/api/v1/emag/order/cancel",
            params={"wait": 1},
            headers={"Authorization": f"Bearer {TOKEN}"},
            json={"emag_order_id": "480000101"},
        )
        assert answer.status_code == 202


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_who_watches_may_ask_for_the_headers_alone(context: Context, path: str) -> None:
    async with serving(context) as port, httpx.AsyncClient() as client:
        answer = await client.head(f"http://127.0.0.1:{port}{path}")
        assert (answer.status_code, answer.content) == (200, b"")
