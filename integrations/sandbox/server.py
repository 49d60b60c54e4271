"""Serving a market over HTTP on a loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from integrations.sandbox.app import create_app
from integrations.sandbox.market import Market
from integrations.sandbox.pipeline import ABORT

API_PATH = "/api-3"

DATE_SECONDS = 1.0


class AbortableProtocol(H11Protocol):
    """HTTP/1.1 that lets the application close a connection without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give each request of the connection a way to abort it."""
        super().connection_made(transport)
        # headers and body leave in two writes: without this the second waits 40 ms for an ACK
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        served: Any = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})[ABORT] = transport.abort
            await served(scope, receive, send)

        self.app = app


class QuietServer(uvicorn.Server):
    """A server inside somebody's event loop.

    It leaves signals alone, says when it listens, and ends when it is told to: uvicorn's own looks
    ten times a second whether it is, and waits a while even where nobody is connected.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.told_to_end = asyncio.Event()

    def end(self) -> None:
        """Tell it to end."""
        self.should_exit = True
        self.told_to_end.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to whoever runs the loop."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and let the waiting know."""
        await super().startup(sockets=sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        """Keep the date in the answers' headers right until told to end."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.told_to_end.wait(), DATE_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of those who are connected, and wait for what they are still being told."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)  # connections that wait for nothing are gone after this
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)


@contextlib.asynccontextmanager
async def serving(market: Market, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve a market while the context lasts; gives the API's base address.

    Port 0 takes a free one. Raises ValueError for a host that is not loopback, OSError for a port
    that is taken.
    """
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"the sandbox listens on loopback only, not on {host}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=512)
    address = f"[{host}]" if ":" in host else host
    base_url = f"http://{address}:{listener.getsockname()[1]}{API_PATH}"
    config = uvicorn.Config(
        create_app(market),
        http=AbortableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,  # nginx's; clients keep their connections for a while
        timeout_graceful_shutdown=1,
    )
    server = QuietServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.listening.wait()
        yield base_url
    finally:
        server.end()
        await task
        listener.close()


def run_server(
    port: int = 0,
    market: Market | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a market until Ctrl-C or SIGTERM; `ready` is told the base address."""

    async def run() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C interrupts instead
                loop.add_signal_handler(number, stopped.set)
        async with serving(market or Market(), port) as base_url:
            if ready:
                ready(base_url)
            await stopped.wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())
