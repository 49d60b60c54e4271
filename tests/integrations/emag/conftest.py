"""eMAG's samples, and a server that misbehaves as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from integrations.emag.accounts import Account

SAMPLES = Path(__file__).parent / "samples"

Act = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def sample() -> Callable[[str], Any]:
    """The body of an answer, in the shape of eMAG's documentation and of real dumps."""
    return lambda name: json.loads((SAMPLES / f"{name}.json").read_text())


@dataclass
class RawServer:
    """A listening socket; `requests` are the heads and bodies that reached it."""

    account: Account
    requests: list[tuple[str, bytes]] = field(default_factory=list)


@pytest.fixture
def raw_server() -> Callable[[Act], AbstractAsyncContextManager[RawServer]]:
    """A server on real sockets that reads each request and then does what `act` does."""
    return _serve


@asynccontextmanager
async def _serve(act: Act) -> AsyncIterator[RawServer]:
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.add(asyncio.current_task())  # type: ignore[arg-type]
        server_side.requests.append(await _request(reader))
        await act(writer)
        writer.close()

    listener = await asyncio.start_server(converse, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    server_side = RawServer(account_at(f"http://127.0.0.1:{port}/api-3"))
    try:
        yield server_side
    finally:
        listener.close()
        for conversation in conversations:
            conversation.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)


async def _request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lengths = [line for line in head.lower().splitlines() if line.startswith("content-length:")]
    return head, await reader.readexactly(int(lengths[0].partition(":")[2]) if lengths else 0)


def account_at(base_url: str) -> Account:
    return Account("main", "main", "seller@example.com", SecretStr("h4-secret"), base_url)
