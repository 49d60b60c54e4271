"""The endpoints as they are served: the real application over a test's own database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

import httpx
import pytest

from integrations.emag.accounts import Account
from integrations.ledger.engine import Engine
from integrations.ledger.findings import Finding
from integrations.services.books import Database
from integrations.web.app import create_app
from integrations.web.context import Context

TOKEN = "a-token-of-the-seller"
SECRET = bytes(range(32))
FINDINGS = [
    Finding("credentials", True, "accepted"),
    Finding("page size", False, "a page holds nothing", "ask eMAG"),
]


async def examine(account: str) -> Mapping[str, Sequence[Finding]]:
    """First contact as it might turn out."""
    return {account: FINDINGS}


@pytest.fixture
async def context(engine: Engine, account: Account) -> Context:
    """What the endpoints work with: one account, and a token to show."""
    return Context(
        accounts={account.name: account},
        database=Database(engine),
        secret=SECRET,
        examine=examine,
        token=TOKEN,
        public_url="https://shop.example.com",
        configuration={"environment": "sandbox", "calls_key": "not set"},
    )


def open_client(
    context: Context, token: str | None = TOKEN, served: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """A program of the seller's; by default it has the server for itself."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(
        transport=served or httpx.ASGITransport(create_app(context)),
        base_url="http://localhost/api/v1/emag",
        headers=headers,
    )


@pytest.fixture
async def api(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    """A client that shows the token."""
    async with open_client(context) as client:
        yield client


@pytest.fixture
async def stranger(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    async with open_client(context, None) as client:
        yield client


@pytest.fixture
def slow(context: Context) -> Context:
    """A server that answers two requests a second."""
    return replace(context, rate=2.0)
