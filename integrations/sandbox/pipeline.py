"""What happens to each request, in order.

Arrival (journal, limits), who is calling, the body, faults before the effect, the effect, faults
after it, the answer's time.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from integrations.sandbox import bodies
from integrations.sandbox.exchange import (
    Answer,
    Ask,
    gateway,
    no_route,
    not_allowed,
    refusal,
)
from integrations.sandbox.faults import Fault, Point
from integrations.sandbox.journal import RequestRecord
from integrations.sandbox.limits import Allowance
from integrations.sandbox.market import Market
from integrations.sandbox.routes import Route, find

# The extension by which the server lets a connection be closed without an answer
ABORT = "sandbox.abort"

BAD_GATEWAY = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n"
    b"</body>\r\n</html>\r\n"
)


class NoAnswerError(Exception):
    """The connection shall be closed without an answer."""


async def answer_request(market: Market, request: Request, path: str) -> Response:
    """Answer a request to `/api-3/<path>`; each is journalled, whatever becomes of it."""
    found = find(request.method, path)
    record = _opened(market, request, path, found[0] if found else None)
    if found is None:
        market.journal.violated(
            record, "route", f"no route {request.method} {path}", at=market.now()
        )
        return _response(record, no_route())
    route, number = found
    allowance = market.limits.arrive(record.login, route.bucket, record.monotonic, market.switches)
    try:
        answer = await _answered(market, request, route, number, record, allowance)
    except NoAnswerError:
        return await _abort(request)
    answer.headers.update(allowance.headers())
    return _response(record, answer)


async def _answered(
    market: Market,
    request: Request,
    route: Route,
    number: int | None,
    record: RequestRecord,
    allowance: Allowance,
) -> Answer:
    if not allowance.allowed:
        market.journal.violated(
            record, "limit", f"over the limit of {route.bucket}", at=market.now()
        )
        return _throttled(market, allowance.wait)
    if refused := _stranger(market, request, record.login):
        return refused
    ask, problem = await _ask(market, request, record, number)
    if problem:
        return problem
    if answer := await _faulted(market, record, "before_effect", None):
        return answer
    answer = route.handle(ask)
    answer.body = answer.content()  # as it is now: the state may move on while the answer travels
    answer = await _faulted(market, record, "after_effect", answer) or answer
    if market.switches.answer_seconds:
        await asyncio.sleep(market.switches.answer_seconds)
    return answer


def _opened(market: Market, request: Request, path: str, route: Route | None) -> RequestRecord:
    return market.journal.opened(
        at=market.now(),
        monotonic=market.monotonic(),
        login=_credentials(request)[0],
        bucket=route.bucket if route else "",
        route=route.name if route else path,
        method=request.method,
        path=request.url.path,
    )


def _credentials(request: Request) -> tuple[str, str]:
    """User and password of the Basic scheme; empty where there are none."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        login, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return login, password


def _stranger(market: Market, request: Request, login: str) -> Answer | None:
    """The refusal of wrong credentials, or of an address that is not allowed."""
    password = market.credentials.get(login)
    if password is None or password != _credentials(request)[1]:
        return not_allowed()
    address = request.client.host if request.client else ""
    allowed = market.switches.allowed_addresses
    if allowed is not None and address not in allowed:
        text = f"ERROR: Invalid vendor ip [{address}]"
        return refusal(market, [text], results=[], status=market.switches.address_refusal)
    return None


async def _ask(
    market: Market, request: Request, record: RequestRecord, number: int | None
) -> tuple[Ask, Answer | None]:
    """The request with its body read, or the answer to a body that can't be taken."""
    ask = Ask(market, record, {}, number=number)
    kind = request.headers.get("content-type", "")
    ask.is_form = request.method == "GET" or "form" in kind
    try:
        ask.body = await _body(request, kind)
    except ValueError:
        return ask, ask.refuse("shape", "ERROR: Invalid content", 400)
    if bodies.elements(ask.body) > bodies.MOST_ELEMENTS:
        text = f"Maximum input vars of {bodies.MOST_ELEMENTS} exceeded"
        return ask, ask.refuse("shape", text)
    return ask, None


async def _body(request: Request, kind: str) -> Any:
    if request.method == "GET":
        return bodies.nested(request.query_params.multi_items())
    if "multipart/form-data" in kind:
        async with request.form() as form:
            return bodies.nested((name, str(value)) for name, value in form.multi_items())
    text = await request.body()
    return bodies.form_body(text) if "form" in kind else bodies.json_body(text)


# Faults


async def _faulted(
    market: Market, record: RequestRecord, point: Point, answer: Answer | None
) -> Answer | None:
    """The answer that a fault makes of `answer` (None before the effect); None changes nothing."""
    fault = market.faults.consult(point, record.route)
    if fault is None:
        return None
    record.fault = fault.kind
    return await _suffer(market, fault, answer)


async def _suffer(market: Market, fault: Fault, answer: Answer | None) -> Answer | None:
    if fault.kind == "reset":
        raise NoAnswerError
    if fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
        return answer
    if fault.kind == "cut_body":
        content = answer.content() if answer else b""
        return Answer(content[: len(content) // 2], ok=False)
    return INSTEAD[fault.kind](market)


def _throttled(market: Market, wait: float = 1.0) -> Answer:
    headers = {"Retry-After": str(max(1, -int(-wait // 1)))} if market.switches.retry_after else {}
    return gateway(429, "API rate limit exceeded", headers)


# What comes instead of the true answer, for the faults that replace it
INSTEAD: dict[str, Callable[[Market], Answer]] = {
    "http_502_html": lambda market: Answer(BAD_GATEWAY, 502, "text/html", ok=False),
    "locked": lambda market: refusal(market, ["Resource locked for processing"]),
    "throttle": _throttled,
    "forbidden": lambda market: not_allowed(),
    "error_although_applied": lambda market: refusal(
        market, ["ERROR: An error occurred, please try again"]
    ),
}


# Leaving


def _response(record: RequestRecord, answer: Answer) -> Response:
    record.status, record.ok, record.throttled = answer.status, answer.ok, answer.status == 429
    behind = answer.status not in (404, 429)
    answer.headers["Server"] = "nginx" if behind else "kong/0.12.1"
    return Response(answer.content(), answer.status, answer.headers, answer.media_type)


async def _abort(request: Request) -> Response:
    """Close the connection; where the server can't, the failure itself must do."""
    abort = request.scope.get("extensions", {}).get(ABORT)
    if abort is None:
        raise ConnectionResetError("the sandbox closes this connection")
    abort()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()
