"""Errors as problem+json (RFC 9457): each names the field that is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from integrations.ledger.operations import (
    AmbiguousError,
    KeyReusedError,
    LockedError,
    OperationError,
    UnknownRowError,
)
from integrations.services.invoices import TooManyHintsError
from integrations.services.service import MalformedError, field_of

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What went wrong with a request."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    field: str | None = None


# The statuses that an endpoint behind the token may answer with besides success.
TITLES: Mapping[int, str] = {
    400: "Malformed request",
    401: "Not authorized",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    421: "Not this server's name",
    422: "Wrong value",
    429: "Too many requests",
    503: "Not available",
}

_STATUSES: Mapping[type[OperationError], int] = {
    UnknownRowError: 404,
    KeyReusedError: 422,
    LockedError: 503,
    TooManyHintsError: 503,
    MalformedError: 422,
}


# What the framework refuses by itself, with a remedy, and the field that it is about.
_OF_THE_FRAMEWORK: Mapping[int, tuple[str, str | None]] = {
    400: ("the body can't be read: send JSON in UTF-8", "body"),
    404: ("there is nothing at {path}: see /docs for what there is", None),
    405: ("{path} takes no {method}: use {allowed}", None),
}


class NotFoundError(HTTPException):
    """There is nothing of that name; the text says what to do, `field` where the name was."""

    def __init__(self, detail: str, field: str) -> None:
        super().__init__(404, detail)
        self.field = field


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The responses of an endpoint for OpenAPI."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": TITLES[status], "content": {MEDIA_TYPE: schema}}
        for status in statuses
    }


def problem(
    status: int,
    detail: str,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer for something that went wrong."""
    told = Problem(title=TITLES.get(status, "Error"), status=status, detail=detail, field=field)
    return JSONResponse(told.model_dump(), status, dict(headers or {}), MEDIA_TYPE)


@contextmanager
def about(field: str) -> Iterator[None]:
    """Say of a row that is not there, or not the only one, which field named it."""
    try:
        yield
    except (UnknownRowError, AmbiguousError) as error:
        error.field = error.field or field
        raise


def handle_problems(app: FastAPI) -> None:
    """Let every error of the app come out as problem+json."""

    @app.exception_handler(OperationError)
    async def _operation(_: Request, error: OperationError) -> JSONResponse:
        status = next((code for kind, code in _STATUSES.items() if isinstance(error, kind)), 409)
        headers = {"Retry-After": "5"} if status == 503 else None
        return problem(status, str(error), error.field, headers)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return _malformed(request, error)

    @app.exception_handler(NotFoundError)
    async def _not_found(_: Request, error: NotFoundError) -> JSONResponse:
        return problem(error.status_code, error.detail, error.field)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        return _refused_by_the_framework(request, error)

    async def _database(request: Request, __: Exception) -> JSONResponse:
        detail = f"the database does not answer: {_again(request)}"
        return problem(503, detail, headers={"Retry-After": "5"})

    for failure in (psycopg.Error, OSError):
        app.add_exception_handler(failure, _database)


def _malformed(request: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    place, *path = first["loc"] or ("body",)
    if first["type"] == "json_invalid":
        return problem(400, _no_json(first), "body")
    if place == "body" and not path and not _sends_json(request):
        detail = "the body must be JSON: send it with Content-Type: application/json"
        return problem(415, detail, "Content-Type")
    field = field_of(path) or str(place)
    said = first["msg"].removeprefix("Value error, ")
    return problem(422, f"{field}: {said}", field)


def _refused_by_the_framework(request: Request, error: HTTPException) -> JSONResponse:
    if error.status_code not in _OF_THE_FRAMEWORK:
        return problem(error.status_code, str(error.detail), headers=error.headers)
    detail, field = _OF_THE_FRAMEWORK[error.status_code]
    told = detail.format(
        path=request.url.path,
        method=request.method,
        allowed=(error.headers or {}).get("Allow", "another method"),
    )
    return problem(error.status_code, told, field, error.headers)


def _no_json(error: Mapping[str, Any]) -> str:
    """Where the body stops being JSON, and why, without what it holds."""
    said = str(error.get("ctx", {}).get("error", "it can't be read"))
    *_, position = error["loc"]
    return f"the body is no JSON: {said}, after {position} characters"


def _sends_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def _again(request: Request) -> str:
    """How to repeat a request of which nobody knows whether it was done."""
    if request.method != "POST":
        return "try again"
    if "idempotency-key" in request.headers:
        return "try again, with the same Idempotency-Key"
    return (
        "see whether the ERP's row is as it should be before you try again; with an"
        " Idempotency-Key nothing is done twice"
    )
