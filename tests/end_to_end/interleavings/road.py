"""The way to eMAG, on which requests can be held up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import httpx

from integrations.emag.accounts import Account


class Road:
    """The way to eMAG, on which requests can be held up until long after they were given up."""

    def __init__(self, account: Account) -> None:
        self._emag = httpx.URL(account.base_url)
        self.account = account
        self._gates: list[asyncio.Event] = []

    def hold_up(self) -> None:
        """What travels on the connections of this moment stands still."""
        for gate in self._gates:
            gate.clear()

    async def let_through(self) -> None:
        """What was held up goes on."""
        for gate in self._gates:
            gate.set()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection's bytes both ways."""
        gate = asyncio.Event()
        gate.set()
        self._gates.append(gate)
        answers, requests = await asyncio.open_connection(self._emag.host, self._emag.port)
        back = asyncio.create_task(_pump(answers, writer))
        await _pump(reader, requests, gate)
        await back


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event | None = None
) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            if gate is not None:
                await gate.wait()
            writer.write(data)
            await writer.drain()
    if gate is not None:
        await gate.wait()
    with suppress(ConnectionError):
        writer.write_eof()


@asynccontextmanager
async def open_road(account: Account) -> AsyncIterator[Road]:
    """A road to the account's eMAG; `road.account` is the same account along it."""
    road = Road(account)
    server = await asyncio.start_server(road.connect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    road.account = replace(account, base_url=str(httpx.URL(account.base_url).copy_with(port=port)))
    yield road
    server.close()
