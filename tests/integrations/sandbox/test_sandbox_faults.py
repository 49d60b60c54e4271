"""Faults: what they do to an answer, and whether the effect was there."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from integrations.sandbox.faults import KINDS, Faults
from integrations.sandbox.market import Market
from integrations.sandbox.server import serving

from .conftest import CREDENTIALS, ORDER, Seller

STRIKES = [(kind, point) for kind, points in KINDS.items() for point in points]


@pytest.mark.parametrize(("kind", "point"), STRIKES)
async def test_the_effect_is_there_only_after_it(market: Market, kind: str, point: Any) -> None:
    market.add_order({"id": ORDER, "status": 1})
    market.faults.add(route="order/acknowledge", point=point, kind=kind, seconds=0)
    async with serving(market) as base_url, httpx.AsyncClient(auth=CREDENTIALS) as http:
        url = f"{base_url}/order/acknowledge/{ORDER}"
        if kind == "reset":
            with pytest.raises(httpx.RemoteProtocolError):
                await http.post(url)
        else:
            await http.post(url)
        effects = market.journal.effects_of("acknowledge", ORDER)
        assert len(effects) == (kind == "slow" or point == "after_effect")
        assert market.journal.requests[0].fault == kind
        assert market.journal.violations() == []
        assert (await http.post(f"{base_url}/order/count")).status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("http_502_html", 502, "<html>"),
        ("locked", 200, "Resource locked for processing"),
        ("throttle", 429, "API rate limit exceeded"),
        ("forbidden", 403, "You are not allowed to use this API."),
        ("error_although_applied", 200, '"isError":true'),
    ],
)
async def test_what_comes_instead(seller: Seller, kind: str, status: int, text: str) -> None:
    seller.market.faults.add(route="order/*", kind=kind)
    answer = await seller.http.post("/api-3/order/count")
    assert answer.status_code == status
    assert text in answer.text


async def test_a_cut_body_is_no_json(seller: Seller) -> None:
    seller.market.faults.add(kind="cut_body")
    answer = await seller.http.post("/api-3/order/count")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        answer.json()


async def test_faults_strike_as_often_as_told_and_only_their_route(seller: Seller) -> None:
    seller.market.faults.add(route="order/count", kind="forbidden", times=2)
    statuses = []
    for route in ("rma/count", "order/count", "order/count", "order/count"):
        await seller.post(route)
        statuses.append(seller.status)
    assert statuses == [200, 403, 403, 200]
    assert seller.market.faults.waiting() == ()


async def test_without_an_end_until_cleared(seller: Seller) -> None:
    seller.market.faults.add(kind="forbidden", times=None)
    for _ in range(5):
        await seller.post("order/count")
        assert seller.status == 403
    seller.market.faults.clear()
    await seller.post("order/count")
    assert seller.status == 200


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "meteor"},
        {"kind": "locked", "point": "after_effect"},
        {"kind": "cut_body", "point": "before_effect"},
        {"kind": "slow", "seconds": -1},
        {"kind": "slow", "times": 0},
    ],
)
def test_impossible_faults(fault: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"fault|times|seconds"):
        Faults().add(**fault)
