"""The HTTP endpoints as one application."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from integrations.emag.pdf import LARGEST
from integrations.web import callbacks, documents, integration, operations, watched
from integrations.web.context import LARGEST_BODY, Context
from integrations.web.guard import Guard
from integrations.web.problems import Problem, handle_problems

PREFIX = "/api/v1/emag"

_ABOUT = """
The guide's operations. Each writes a row of the ERP's, in one transaction; a sync carries it to
eMAG. The answer is 202 with the row's standing, or 200 with the outcome (`wait=SECONDS`).
Errors are `application/problem+json`.
"""


def create_app(context: Context) -> FastAPI:
    """The application over a context that its caller owns, and may replace in its state."""
    app = FastAPI(title="emag-flows", version="1", description=_ABOUT, redoc_url=None)
    app.state.context = context
    for router in (integration.router, operations.router, callbacks.router, documents.router):
        app.include_router(router, prefix=PREFIX)
    app.include_router(watched.router)
    handle_problems(app)
    app.add_middleware(
        Guard,
        token=lambda: app.state.context.token,
        public_url=lambda: app.state.context.public_url,
        rate=context.rate,
        largest=LARGEST_BODY,
        largest_document=LARGEST,
    )
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's own description, but for errors: they are problems here."""
    if app.openapi_schema is None:
        schema = FastAPI.openapi(app)
        schemas = schema["components"]["schemas"]
        for stranger in ("HTTPValidationError", "ValidationError"):
            schemas.pop(stranger, None)
        schemas["Problem"] = Problem.model_json_schema()
        bearer = {"type": "http", "scheme": "bearer"}
        schema["components"]["securitySchemes"] = {"token": bearer}
        schema["security"] = [{"token": []}, {}]
    return app.openapi_schema or {}
