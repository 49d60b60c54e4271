"""A marketplace whose clock the tests move, and a seller who talks to it over HTTP's own shapes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from integrations.sandbox.app import create_app
from integrations.sandbox.market import Market
from integrations.sandbox.server import API_PATH, serving
from integrations.sandbox.switches import Switches, changed

CREDENTIALS = ("seller@example.com", "secret")
ORDER, RETURN = 480000101, 52000077


@dataclass
class Clock:
    """Wall time and monotonic time that move only when a test says so."""

    wall: datetime = datetime(2026, 3, 20, 10, 0, tzinfo=UTC)
    seconds: float = 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def pass_time(self, **duration: float) -> None:
        step = timedelta(**duration)
        self.wall += step
        self.seconds += step.total_seconds()


@dataclass
class Seller:
    """A client that knows eMAG's paths; each call gives the decoded body."""

    market: Market
    http: httpx.AsyncClient
    status: int = field(default=0, init=False)
    headers: httpx.Headers = field(default_factory=httpx.Headers, init=False)

    async def post(self, route: str, body: object = None) -> Any:
        """POST JSON to a route below /api-3; `status` and `headers` are then the answer's."""
        answer = await self.http.post(f"/api-3/{route}", json={} if body is None else body)
        self.status, self.headers = answer.status_code, answer.headers
        return answer.json()

    async def order(self, number: int = ORDER, kind: int = 3) -> Any:
        """An order as order/read shows it."""
        return (await self.post("order/read", {"id": number, "type": kind}))["results"][0]

    async def save(self, number: int = ORDER, **fields: Any) -> Any:
        """Read an order and send it back whole, with some fields changed."""
        return await self.post("order/save", {"data": [{**await self.order(number), **fields}]})

    async def rma(self, number: int = RETURN) -> Any:
        """A return as rma/read shows it."""
        return (await self.post("rma/read", {"emag_id": number}))["results"][0]

    async def save_rma(self, number: int = RETURN, **fields: Any) -> Any:
        """Read a return and send it back whole, with some fields changed."""
        return await self.post("rma/save", [{**await self.rma(number), **fields}])

    def switch(self, **switches: Any) -> None:
        """Let the marketplace behave another way."""
        self.market.switches = changed(self.market.switches, switches)

    def broken_rules(self) -> list[str]:
        """Which rules the journal says were broken, in order."""
        return [violation.rule for violation in self.market.journal.violations()]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def market(clock: Clock) -> Market:
    """An empty marketplace; the limits are off but where a test is about them."""
    return Market(Switches(limits=False), now=clock.now, monotonic=clock.monotonic)


@pytest.fixture
async def seller(market: Market) -> AsyncIterator[Seller]:
    transport = httpx.ASGITransport(create_app(market))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://emag.test", auth=CREDENTIALS
    ) as http:
        yield Seller(market, http)


@pytest.fixture
async def remote(market: Market) -> AsyncIterator[Seller]:
    """A seller on the other side of a real connection."""
    async with (
        serving(market) as base_url,
        httpx.AsyncClient(
            base_url=base_url.removesuffix(API_PATH), auth=CREDENTIALS, trust_env=False
        ) as http,
    ):
        yield Seller(market, http)
