"""The sandbox's own routes under /sandbox: looking in, setting the scene, making things happen.

They need no credentials: the sandbox listens on loopback only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from integrations.sandbox.documents import KINDS
from integrations.sandbox.downloads import download_documents
from integrations.sandbox.fault_plan import Plan, read_plan
from integrations.sandbox.faults import shown
from integrations.sandbox.market import Market
from integrations.sandbox.shop import populate
from integrations.sandbox.switches import as_json, changed
from integrations.sandbox.wire import Json, dumps

Given = Annotated[Json, Body()]
OneOrMany = Annotated[Json | list[Json], Body()]

# Methods of `Market` by which others than the client act
ACTIONS: tuple[str, ...] = (
    "customer_asks_to_cancel",
    "customer_opens_return",
    "customer_cancels_return",
    "customer_pays",
    "courier_picks_up_return",
    "courier_delivers_return",
    "finalize",
    "cod_is_cashed",
    "card_is_cashed",
    "emag_refunds_order",
    "emag_refunds_return",
    "emag_closes_return",
    "panel_acknowledges",
    "panel_cancels",
    "panel_restores",
    "panel_removes",
    "panel_stornoes",
    "panel_returns_order",
    "panel_moves_return",
)


async def _market(request: Request) -> Market:
    market: Market = request.app.state.market
    return market


TheMarket = Annotated[Market, Depends(_market)]


class _Forgiving(APIRoute):
    """A route that answers a ValueError with 400 and its text."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def forgiving(request: Request) -> Response:
            try:
                return await handle(request)
            except ValueError as problem:
                return JSONResponse({"error": str(problem)}, 400)

        return forgiving


router = APIRouter(prefix="/sandbox", route_class=_Forgiving)


@router.get("/journal")
async def whole_journal(market: TheMarket) -> Response:
    """Every request, effect, violation and document download."""
    return _json({name: _rows(rows) for name, rows in _journal(market).items()})


@router.get("/journal/{part}")
async def part_of_journal(market: TheMarket, part: str) -> Response:
    """One part of the journal: requests, effects, violations or downloads."""
    parts = _journal(market)
    if part not in parts:
        raise ValueError(f"the journal has {', '.join(parts)}")
    return _json(_rows(parts[part]))


def _journal(market: Market) -> dict[str, Sequence[Any]]:
    return {
        "requests": market.journal.requests,
        "effects": market.journal.effects,
        "violations": market.journal.violations(),
        "downloads": market.downloads,
    }


@router.get("/switches")
async def read_switches(market: TheMarket) -> Response:
    """How the sandbox behaves now."""
    return _json(as_json(market.switches))


@router.put("/switches")
async def set_switches(market: TheMarket, given: Given) -> Response:
    """Change some switches; the others stay as they are."""
    market.switches = changed(market.switches, given)
    return _json(as_json(market.switches))


@router.get("/faults")
async def read_faults(market: TheMarket) -> Response:
    """The faults that may still strike, with what is left of them."""
    return _json([shown(fault) for fault in market.faults.waiting()])


@router.put("/faults")
async def replace_faults(market: TheMarket, request: Request) -> Response:
    """Load faults in the place of all others, and set switches; see docs/sandbox.md."""
    plan = read_plan(await request.body())
    market.faults.clear()
    return _carry_out(market, plan)


@router.post("/faults")
async def add_faults(market: TheMarket, request: Request) -> Response:
    """Load faults beside the others, and set switches; the same body, or a single fault."""
    return _carry_out(market, read_plan(await request.body()))


@router.delete("/faults")
async def clear_faults(market: TheMarket) -> Response:
    """Take all faults away; switches stay."""
    market.faults.clear()
    return _json([])


def _carry_out(market: Market, plan: Plan) -> Response:
    market.switches = changed(market.switches, plan.switches)
    market.faults.load(plan.faults)
    return _json([shown(fault) for fault in plan.faults])


@router.post("/reset")
async def reset(market: TheMarket, given: Annotated[Json | None, Body()] = None) -> Response:
    """Empty the marketplace; with `orders` (and `seed`), lay out an invented shop again."""
    market.reset()
    given = given or {}
    market.faults.seed = seed = int(given.get("seed", market.faults.seed))
    if orders := int(given.get("orders", 0)):
        populate(market, seed=seed, orders=orders)
    return _json({"orders": len(market.orders), "returns": len(market.returns)})


@router.post("/actions")
async def act(market: TheMarket, given: Given) -> Response:
    """Let a customer, a courier, eMAG or the panel do something: `action`, its arguments."""
    name = given.pop("action", None)
    if name == "download_documents":
        return _json(_rows(await download_documents(market)))
    if name not in ACTIONS:
        raise ValueError(f"actions are {', '.join([*ACTIONS, 'download_documents'])}")
    try:
        return _json(getattr(market, name)(**given))
    except TypeError as problem:
        raise ValueError(str(problem)) from None


@router.post("/{kind}")
async def add(market: TheMarket, kind: str, given: OneOrMany) -> Response:
    """Add orders, returns, issued invoices or documents; what is missing is completed."""
    adders: dict[str, Callable[[Json], Json]] = {
        "orders": market.add_order,
        "returns": market.add_return,
        "invoices": market.add_issued_invoice,
        "documents": partial(_add_document, market),
    }
    if kind not in adders:
        raise ValueError(f"one can add {', '.join(adders)}")
    return _json([adders[kind](each) for each in _many(given)])


@router.get("/orders/{number}")
async def order(market: TheMarket, number: int) -> Response:
    """An order as the sandbox keeps it, whatever its type; null if there is none."""
    return _json(market.orders.get(number))


@router.get("/returns/{number}")
async def rma(market: TheMarket, number: int) -> Response:
    """A return as the sandbox keeps it, whatever its type; null if there is none."""
    return _json(market.returns.get(number))


@router.api_route("/documents/{name}.pdf", methods=["GET", "HEAD"])
async def document(market: TheMarket, name: str) -> Response:
    """A document, or what only claims to be one."""
    found = market.documents.get(name)
    if found is None or found.kind == "missing":
        return Response("not found", 404, media_type="text/plain")
    return Response(found.content, media_type="application/pdf")


def _add_document(market: Market, given: Json) -> Json:
    name, kind = str(given.get("name", "")), given.get("kind", "pdf")
    if not name or "/" in name:
        raise ValueError("a document needs a name without slashes")
    if kind not in KINDS:
        raise ValueError(f"a document's kind is one of {', '.join(KINDS)}")
    return {"name": name, "path": market.add_document(name, kind=kind)}


def _many(given: Json | list[Json]) -> list[Json]:
    return given if isinstance(given, list) else [given]


def _rows(rows: Sequence[Any]) -> list[Json]:
    """Dataclasses as JSON; `from_`, which Python needs, becomes `from`."""
    return [
        {
            field.name.rstrip("_"): _plain(getattr(row, field.name))
            for field in dataclasses.fields(row)
        }
        for row in rows
    ]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _json(value: object) -> Response:
    return Response(dumps(value), media_type="application/json")
