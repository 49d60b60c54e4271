"""Who may come in, how often, and with how much."""

from __future__ import annotations

import hmac
import time
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from integrations.web.problems import problem

# What eMAG, and those who watch this server, ask for without a token.
CALLBACKS = "/api/v1/emag/callbacks/"
DOCUMENTS = "/api/v1/emag/documents/"
WATCHED = frozenset({"/health", "/ready"})

BURST = 2.0


class TooLargeError(Exception):
    """More came than the body may hold."""


class Guard:
    """Asks for the token, counts requests and bytes, before anything else looks at a request.

    Args:
        token: what must be shown; None asks for none.
        rate: requests a second; twice as many may come at once.
        largest, largest_document: bytes of a body, and of a document that is stored.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None,
        rate: float,
        largest: int,
        largest_document: int,
    ) -> None:
        self._app = app
        self._token = token
        self._rate = rate
        self._largest = largest
        self._largest_document = largest_document
        self._left = rate * BURST
        self._counted = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = (
            self._refuse_rate()
            or self._refuse_stranger(scope, headers)
            or self._refuse_size(scope, headers)
        )
        if refused is not None:
            await refused(scope, receive, send)
            return
        await self._measured(scope, receive, send)

    def _refuse_rate(self) -> ASGIApp | None:
        now = time.monotonic()
        self._left = min(self._rate * BURST, self._left + (now - self._counted) * self._rate)
        self._counted = now
        if self._left < 1:
            return problem(429, "too many requests: slow down", headers={"Retry-After": "1"})
        self._left -= 1
        return None

    def _refuse_stranger(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        if self._token is None or _is_open(scope):
            return None
        shown = headers.get("authorization", "")
        kind, _, token = shown.partition(" ")
        matches = hmac.compare_digest(token.strip().encode(), self._token.encode())
        if kind.lower() == "bearer" and matches:
            return None
        return problem(
            401,
            "show the token of EMAG_API_TOKEN: Authorization: Bearer TOKEN",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _refuse_size(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            return problem(400, "Content-Length is no number", "Content-Length")
        return self._too_large(scope) if int(length) > self._limit(scope) else None

    def _limit(self, scope: Scope) -> int:
        stores = scope["path"].startswith(DOCUMENTS) and scope["method"] == "PUT"
        return self._largest_document if stores else self._largest

    def _too_large(self, scope: Scope) -> ASGIApp:
        return problem(413, f"the body holds more than {self._limit(scope)} bytes")

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a body that proves too large is answered by us, not by the app."""
        limit, got, begun = self._limit(scope), 0, False

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > limit:
                raise TooLargeError
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            if got <= limit:
                begun = True
                await send(message)

        with suppress(TooLargeError):
            await self._app(scope, counted, noted)
        if got > limit and not begun:
            await self._too_large(scope)(scope, receive, send)


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"]
    if scope["method"] not in ("GET", "HEAD"):
        return False
    return path in WATCHED or path.startswith((CALLBACKS, DOCUMENTS))
