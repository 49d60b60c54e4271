"""Nobody comes in without the token, too often, or with too much."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from integrations.web.context import LARGEST_BODY, Context
from tests.integrations.web.conftest import TOKEN, open_client

PROTECTED = ["/integration/status", "/integration/configuration", "/rma/1", "/invoice/1"]


@pytest.mark.parametrize("path", PROTECTED)
@pytest.mark.parametrize("token", [None, "another", TOKEN + "x", TOKEN[:-1], ""])
async def test_without_the_token_nothing_is_told(
    context: Context, path: str, token: str | None
) -> None:
    async with open_client(context, token) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "Authorization: Bearer" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/metrics"])
async def test_what_describes_the_server_needs_the_token_too(
    stranger: httpx.AsyncClient, path: str
) -> None:
    assert (await stranger.get(f"http://api.example.com{path}")).status_code == 401


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_those_who_watch_need_none(stranger: httpx.AsyncClient, path: str) -> None:
    assert (await stranger.get(f"http://api.example.com{path}")).json() == {"status": "ok"}


async def test_a_large_body_is_refused_by_its_length(api: httpx.AsyncClient) -> None:
    answer = await api.post("/order/cancel", content=b" " * (LARGEST_BODY + 1))
    assert answer.status_code == 413


async def test_a_large_body_is_refused_as_it_comes(api: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_BODY // 1024 + 2):
            yield b" " * 1024

    answer = await api.post("/order/cancel", content=endless())
    assert answer.status_code == 413


async def test_who_asks_too_often_is_told_to_slow_down(slow: Context) -> None:
    async with open_client(slow) as client:
        answers = [await client.get("/integration/flows") for _ in range(8)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].headers["retry-after"] == "1"
    assert answers[0].status_code == 200
