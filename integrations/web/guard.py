"""Who may come in, how often, and with how much."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from integrations.emag.accounts import is_loopback
from integrations.web.problems import problem

# What eMAG, those who watch this server, and a browser that shows what there is, ask for without a
# token.
CALLBACKS = "/api/v1/emag/callbacks/"
DOCUMENTS = "/api/v1/emag/documents/"
WATCHED = frozenset({"/health", "/ready"})
DESCRIPTION = frozenset({"/docs", "/openapi.json"})

BURST = 2.0

# All of a body must have come by then.
BODY_SECONDS = 60.0


class TooLargeError(Exception):
    """More came than the body may hold."""


class TooSlowError(Exception):
    """The body took too long to come."""


class Who(Enum):
    """Who asks, as far as a request tells; what one of them asks too often harms none of others."""

    WATCHER = "whoever watches the server"
    SELLER = "the seller's programs"
    OUTSIDER = "eMAG and others, at the addresses that are open to all"
    STRANGER = "whoever ought to show the token and does not"


class Bucket:
    """Requests that may be answered: so many a second, and twice as many at once."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = rate * BURST
        self._counted = time.monotonic()

    def take(self) -> bool:
        """Whether there is one more."""
        now = time.monotonic()
        self._left = min(self._rate * BURST, self._left + (now - self._counted) * self._rate)
        self._counted = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Guard:
    """Asks for the token, counts requests and bytes, before anything else looks at a request.

    Args:
        token: says what must be shown now; None asks for none, but for a Host that is ours: a page
            of somebody else's, whose name is made to lead to this machine, can't come in by it.
        public_url: says where others reach this server now; None where they don't.
        rate: requests a second of each of those who ask, but for watchers.
        largest, largest_document: bytes of a body, and of a document that is stored.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: Callable[[], str | None],
        public_url: Callable[[], str | None],
        rate: float,
        largest: int,
        largest_document: int,
    ) -> None:
        self._app = app
        self._token = token
        self._public_url = public_url
        self._largest = largest
        self._largest_document = largest_document
        self._buckets: Mapping[Who, Bucket] = {
            who: Bucket(rate) for who in Who if who is not Who.WATCHER
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        who = self._who(scope, headers)
        refused = (
            self._refuse_rate(who)
            or _refuse_stranger(who)
            or self._refuse_host(who, headers)
            or self._refuse_size(scope, headers)
        )
        if refused is not None:
            await refused(scope, receive, send)
            return
        await self._measured(scope, receive, send)

    def _who(self, scope: Scope, headers: Headers) -> Who:
        reads = scope["method"] in ("GET", "HEAD")
        if reads and scope["path"] in WATCHED:
            return Who.WATCHER
        token = self._token()
        if token is not None and self._shows_token(headers, token):
            return Who.SELLER
        path = scope["path"]
        if reads and (path.startswith((CALLBACKS, DOCUMENTS)) or path in DESCRIPTION):
            return Who.OUTSIDER
        return Who.SELLER if token is None else Who.STRANGER

    def _shows_token(self, headers: Headers, wanted: str) -> bool:
        kind, _, token = headers.get("authorization", "").partition(" ")
        matches = hmac.compare_digest(token.strip().encode(), wanted.encode())
        return kind.lower() == "bearer" and matches

    def _refuse_rate(self, who: Who) -> ASGIApp | None:
        if who not in self._buckets or self._buckets[who].take():
            return None
        return problem(429, "too many requests: slow down", headers={"Retry-After": "1"})

    def _refuse_host(self, who: Who, headers: Headers) -> ASGIApp | None:
        if who is Who.WATCHER or self._token() is not None:
            return None
        host = _host(f"//{headers.get('host', '')}")
        if host is not None and (is_loopback(host) or host == _host(self._public_url())):
            return None
        return problem(
            421,
            "this server answers only to localhost and to EMAG_PUBLIC_URL's host: ask for one of"
            " them, or set EMAG_API_TOKEN",
            "Host",
        )

    def _refuse_size(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            return problem(
                400, "Content-Length is no number: give the bytes of the body", "Content-Length"
            )
        return self._too_large(scope) if int(length) > self._limit(scope) else None

    def _limit(self, scope: Scope) -> int:
        return self._largest_document if _stores_document(scope) else self._largest

    def _too_large(self, scope: Scope) -> ASGIApp:
        remedy = "store a smaller one" if _stores_document(scope) else "ask for less at a time"
        detail = f"the body holds more than {self._limit(scope)} bytes: {remedy}"
        return problem(413, detail, "body")

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a body too large or too slow is answered by us, not by the app."""
        body = _Body(receive, self._limit(scope))
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            if body.fault is None:
                begun = True
                await send(message)

        with suppress(TooLargeError, TooSlowError):
            await self._app(scope, body.receive, noted)
        if body.fault is not None and not begun:
            slow = isinstance(body.fault, TooSlowError)
            await (_too_slow() if slow else self._too_large(scope))(scope, receive, send)


class _Body:
    """A body as it comes; what is wrong with it stays known, whatever the app makes of that."""

    def __init__(self, receive: Receive, largest: int) -> None:
        self._receive = receive
        self._left = largest
        self._latest = asyncio.get_running_loop().time() + BODY_SECONDS
        self._more = True
        self.fault: TooLargeError | TooSlowError | None = None

    async def receive(self) -> Message:
        """The next piece. Raises TooLargeError, TooSlowError."""
        try:
            async with asyncio.timeout_at(self._latest if self._more else None):
                message = await self._receive()
        except TimeoutError:
            self.fault = TooSlowError()
            raise self.fault from None
        self._more = bool(message.get("more_body", False))
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.fault = TooLargeError()
            raise self.fault
        return message


def _host(url: str | None) -> str | None:
    """The host's name in an address, None where it has none."""
    try:
        return urlsplit(url or "").hostname
    except ValueError:
        return None


def _refuse_stranger(who: Who) -> ASGIApp | None:
    if who is not Who.STRANGER:
        return None
    return problem(
        401,
        "show the token of EMAG_API_TOKEN: Authorization: Bearer TOKEN",
        "Authorization",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _too_slow() -> ASGIApp:
    detail = f"the body has not come within {BODY_SECONDS:g} s: send it again"
    return problem(408, detail, "body", headers={"Connection": "close"})


def _stores_document(scope: Scope) -> bool:
    return bool(scope["path"].startswith(DOCUMENTS) and scope["method"] == "PUT")
