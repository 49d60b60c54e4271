"""What happens to each request, in order.

Arrival (journal, limits), who is calling, the body, faults before the effect, the effect (or what
faults leave of it), faults after it, the answer's time.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from integrations.sandbox import bodies
from integrations.sandbox.exchange import Answer, Ask, no_route, not_allowed
from integrations.sandbox.fault_answers import (
    NoAnswerError,
    address_refused,
    suffer,
    throttled,
)
from integrations.sandbox.fault_effects import struck_effect
from integrations.sandbox.faults import Fault, Point
from integrations.sandbox.journal import RequestRecord
from integrations.sandbox.limits import Allowance
from integrations.sandbox.routes import Route, find
from integrations.sandbox.state import State
from integrations.sandbox.subjects import subject_of

# The extension by which the server lets a connection be closed without an answer
ABORT = "sandbox.abort"


async def answer_request(market: State, request: Request, path: str) -> Response:
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
    except NoAnswerError as silence:
        return await (_hold(request) if silence.held else _abort(request))
    answer.headers.update(allowance.headers())
    return _response(record, answer)


async def _answered(
    market: State,
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
        return throttled(market, allowance.wait)
    if refused := _stranger(market, request, record.login):
        return refused
    ask, problem = await _ask(market, request, record, number)
    if problem:
        return problem
    if answer := await _faulted(ask, "before_effect", None):
        return answer
    amid = _met(ask, "during_effect")
    answer = struck_effect(route, ask, amid) if amid else route.handle(ask)
    answer.body = answer.content()  # as it is now: the state may move on while the answer travels
    answer = await _faulted(ask, "after_effect", answer) or answer
    if market.switches.answer_seconds:
        await asyncio.sleep(market.switches.answer_seconds)
    return answer


def _opened(market: State, request: Request, path: str, route: Route | None) -> RequestRecord:
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


def _stranger(market: State, request: Request, login: str) -> Answer | None:
    """The refusal of wrong credentials, or of an address that is not allowed."""
    password = market.credentials.get(login)
    if password is None or password != _credentials(request)[1]:
        return not_allowed()
    address = request.client.host if request.client else ""
    allowed = market.switches.allowed_addresses
    if allowed is not None and address not in allowed:
        return address_refused(market, address)
    return None


async def _ask(
    market: State, request: Request, record: RequestRecord, number: int | None
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


async def _faulted(ask: Ask, point: Point, answer: Answer | None) -> Answer | None:
    """The answer that a fault makes of `answer` (None before the effect); None changes nothing."""
    fault = _met(ask, point)
    return await suffer(ask.market, fault, answer) if fault else None


def _met(ask: Ask, point: Point) -> Fault | None:
    """The fault that strikes the request at a point, written down."""
    fault = ask.market.faults.meet(point, ask.record.route, lambda: subject_of(ask))
    if fault is not None:
        ask.market.journal.met_fault(ask.record, fault.kind, point)
    return fault


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
    return await _hold(request)


async def _hold(request: Request) -> Response:
    """Say nothing until the connection is closed."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()
