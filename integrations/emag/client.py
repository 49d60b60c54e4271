"""One request to eMAG at a time, through one pooled connection set per account.

Nothing is retried, logged or raised here: every exchange ends in an `Answer`, whatever the network
or eMAG did. Whether to send again is decided where the books are.
"""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Final

import httpx

from integrations.emag.accounts import Account
from integrations.emag.large import aside
from integrations.emag.routes import Route
from integrations.emag.trust import tls
from integrations.emag.verdicts import Answer, AnswerSizeError, judge, judge_failure

LARGEST_ANSWER: Final = 64 * 2**20

HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Content-Type": "application/json",
    "User-Agent": "emag-flows",
}

Departing = Callable[[], Awaitable[None]]
Trace = Callable[[str, Mapping[str, Any]], Awaitable[None]]

Body = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class _Received:
    """What has come of an answer so far."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.body = bytearray()


class EmagClient:
    """An account's connection to eMAG; `open_client` makes one."""

    def __init__(
        self,
        account: Account,
        transport: httpx.AsyncHTTPTransport,
        deadline: float,
        connecting: float,
        largest: int,
    ) -> None:
        self.account = account
        self._transport = transport
        self._headers = httpx.Headers({**HEADERS, "Authorization": _basic(account)})
        timeout = httpx.Timeout(deadline, connect=connecting, pool=connecting)
        self._extensions = {"timeout": timeout.as_dict()}
        self._deadline = deadline
        self._largest = largest
        self._url = lru_cache(maxsize=64)(lambda path: httpx.URL(f"{account.base_url}/{path}"))

    async def exchange(
        self,
        route: Route,
        body: Body,
        *,
        path_id: int | None = None,
        departing: Departing | None = None,
        within: float | None = None,
    ) -> Answer:
        """Send one request and say what came of it, at the latest a deadline after it left.

        `within` is a shorter deadline for this one, in seconds.

        `departing` is awaited when the connection stands and nothing has been sent yet, so that a
        request leaves at its instant whatever connecting took. What it raises passes through, and
        then nothing was sent.

        Entities to save go as a list, which becomes `{"data": [...]}`; the filters of a read as a
        mapping, whose nulls are left out (API facts: Body shape). `path_id` fills the route's
        `{id}`. Never raises for what the network or eMAG does; cancelling it passes through.
        """
        path = _path(route, path_id)
        content = _encoded(route, body)
        received = _Received()
        began = time.monotonic()
        try:
            async with asyncio.timeout(None) as limit:
                deadline = self._deadline if within is None else min(within, self._deadline)
                trace = _on_departure(departing, limit, deadline)
                status = await self._receive(path, content, received, trace)
        except (httpx.HTTPError, AnswerSizeError, OSError) as failure:
            return judge_failure(
                route,
                failure,
                status=received.status,
                body=bytes(received.body),
                seconds=time.monotonic() - began,
            )
        seconds = time.monotonic() - began
        answered = bytes(received.body)
        return await aside(len(answered), judge, route, status, received.headers, answered, seconds)

    async def _receive(self, path: str, content: bytes, received: _Received, trace: Trace) -> int:
        request = httpx.Request(
            "POST",
            self._url(path),
            headers=self._headers,
            content=content,
            extensions={**self._extensions, "trace": trace},
        )
        response = await self._transport.handle_async_request(request)
        try:
            received.status = response.status_code
            received.headers = response.headers
            async for chunk in response.aiter_bytes():
                if len(received.body) + len(chunk) > self._largest:
                    raise AnswerSizeError
                received.body += chunk
            return response.status_code
        finally:
            await response.aclose()


@asynccontextmanager
async def open_client(
    account: Account,
    *,
    deadline: float = 30.0,
    connecting: float | None = None,
    max_connections: int = 16,
    largest_answer: int = LARGEST_ANSWER,
) -> AsyncIterator[EmagClient]:
    """A client for an account; `deadline` is in seconds, over all of a request and its answer.

    Waiting for a free connection, connecting and TLS come before it and get `connecting` seconds
    each, a quarter of it if nothing is said: a request that the deadline itself ends has left.

    httpx's transport is used without its client: nothing here follows redirects, and cookies must
    not be kept, since they would tie concurrent requests to one session of eMAG's.
    """
    limits = httpx.Limits(
        max_connections=max_connections, max_keepalive_connections=max_connections
    )
    async with httpx.AsyncHTTPTransport(verify=tls(), limits=limits, trust_env=False) as transport:
        yield EmagClient(
            account,
            transport,
            deadline,
            deadline / 4 if connecting is None else connecting,
            largest_answer,
        )


def _basic(account: Account) -> str:
    """Basic credentials (API facts: Authentication)."""
    plain = f"{account.username}:{account.password.get_secret_value()}"
    return f"Basic {b64encode(plain.encode()).decode()}"


def _on_departure(departing: Departing | None, limit: asyncio.Timeout, deadline: float) -> Trace:
    """Await `departing` just before the first byte leaves, and let the deadline run from then."""

    async def trace(event: str, _: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            if departing is not None:
                await departing()
            limit.reschedule(asyncio.get_running_loop().time() + deadline)

    return trace


def _path(route: Route, path_id: int | None) -> str:
    if path_id is None and "{id}" in route.path:
        raise ValueError(f"{route.path} needs a path_id")
    return route.path.format(id=path_id)


def _encoded(route: Route, body: Body) -> bytes:
    if isinstance(body, Mapping):
        sent: Any = body if route.writes else _filters(body)
    elif body is None:
        sent = []
    else:
        sent = {"data": list(body)}
    return json.dumps(sent, separators=(",", ":"), allow_nan=False).encode("ascii")


def _filters(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}
