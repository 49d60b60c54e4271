"""The sandbox as an ASGI application."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from integrations.sandbox.admin import router
from integrations.sandbox.market import Market
from integrations.sandbox.pipeline import answer_request

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]

# Addresses of the documentation ranges: nobody's
PUBLIC_ADDRESSES = ["192.0.2.10", "192.0.2.11", "198.51.100.20"]


def create_app(market: Market) -> FastAPI:
    """An application that serves a market: `/api-3`, `/public-ips.json` and `/sandbox`."""
    app = FastAPI(title="eMAG sandbox", openapi_url="/sandbox/openapi.json", docs_url=None)

    async def marketplace(request: Request) -> Response:
        return await answer_request(market, request, request.path_params["path"])

    async def elsewhere(request: Request) -> Response:
        path = request.path_params["path"]
        if path.startswith("sandbox/"):
            return JSONResponse({"error": "no such route of the sandbox"}, 404)
        return await answer_request(market, request, "/" + path)

    async def public_addresses(request: Request) -> Response:
        return JSONResponse(PUBLIC_ADDRESSES)

    app.add_route("/api-3/{path:path}", marketplace, METHODS)
    app.add_route("/public-ips.json", public_addresses, ["GET"])
    app.state.market = market
    app.include_router(router)
    app.add_route("/{path:path}", elsewhere, METHODS)
    return app
