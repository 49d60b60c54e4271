"""Errors as problem+json (RFC 9457): each names the field that is wrong and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from integrations.ledger.operations import KeyReusedError, OperationError, UnknownRowError
from integrations.services.service import MalformedError

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
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Wrong value",
    429: "Too many requests",
    503: "Not available",
}

_STATUSES: Mapping[type[OperationError], int] = {
    UnknownRowError: 404,
    KeyReusedError: 422,
    MalformedError: 422,
}


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


def handle_problems(app: FastAPI) -> None:
    """Let every error of the app come out as problem+json."""

    @app.exception_handler(OperationError)
    async def _operation(_: Request, error: OperationError) -> JSONResponse:
        status = next((code for kind, code in _STATUSES.items() if isinstance(error, kind)), 409)
        return problem(status, str(error))

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place, *path = [str(part) for part in first["loc"]] or ["body"]
        field = ".".join(path) or place
        if first["type"] == "json_invalid":
            return problem(400, "the body is no JSON", field)
        said = first["msg"].removeprefix("Value error, ")
        return problem(422, f"{field}: {said}", field)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), headers=error.headers)

    async def _database(_: Request, __: Exception) -> JSONResponse:
        detail = "the database does not answer: try again, with the same Idempotency-Key"
        return problem(503, detail, headers={"Retry-After": "5"})

    for failure in (DBAPIError, PoolTimeoutError, OSError):
        app.add_exception_handler(failure, _database)
