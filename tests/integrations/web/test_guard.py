"""Nobody comes in without the token, too often, or with too much."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from integrations.web.app import create_app
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


async def test_the_figures_need_the_token_too(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("http://localhost/metrics")).status_code == 401


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_what_describes_the_server_is_open_to_a_browser_which_can_show_no_token(
    stranger: httpx.AsyncClient, path: str
) -> None:
    answer = await stranger.get(f"http://localhost{path}")
    assert answer.status_code == 200
    assert "shop.example.com" not in answer.text
    assert (await stranger.post(f"http://localhost{path}")).status_code == 401


OURS = ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "shop.example.com"]
STRANGE = ["evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", ""]


async def cancel_as(context: Context, host: str, token: str | None = None) -> httpx.Response:
    async with open_client(context, token) as client:
        return await client.post(
            "/order/cancel",
            json={"emag_order_id": "480000101"},
            headers={"Host": host, "Origin": f"http://{host}"},
        )


@pytest.mark.parametrize("host", OURS)
async def test_without_a_token_the_server_answers_to_its_own_names(
    context: Context, host: str
) -> None:
    assert (await cancel_as(replace(context, token=None), host)).status_code == 202


@pytest.mark.parametrize("host", STRANGE)
async def test_without_a_token_a_name_that_was_made_to_lead_here_lets_nobody_in(
    context: Context, host: str
) -> None:
    answer = await cancel_as(replace(context, token=None), host)
    assert (answer.status_code, answer.json()["field"]) == (421, "Host")
    assert "set EMAG_API_TOKEN" in answer.json()["detail"]


async def test_who_shows_the_token_may_call_the_server_by_any_name(context: Context) -> None:
    assert (await cancel_as(context, "erp.internal:8000", TOKEN)).status_code == 202


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_those_who_watch_need_none(stranger: httpx.AsyncClient, path: str) -> None:
    assert (await stranger.get(f"http://localhost{path}")).json() == {"status": "ok"}


async def test_a_large_body_is_refused_by_its_length(api: httpx.AsyncClient) -> None:
    answer = await api.post("/order/cancel", content=b" " * (LARGEST_BODY + 1))
    assert (answer.status_code, answer.json()["field"]) == (413, "body")
    assert "ask for less at a time" in answer.json()["detail"]


async def test_a_large_body_is_refused_as_it_comes(api: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_BODY // 1024 + 2):
            yield b" " * 1024

    answer = await api.post("/order/cancel", content=endless())
    assert answer.status_code == 413


NOBODYS_DOCUMENT = f"/documents/{'0' * 48}.pdf"


async def ask_often(client: httpx.AsyncClient, path: str) -> list[int]:
    return [(await client.get(path)).status_code for _ in range(12)]


@pytest.mark.parametrize("token", [None, "another"])
async def test_strangers_use_up_nothing_but_their_own(slow: Context, token: str | None) -> None:
    application = httpx.ASGITransport(create_app(slow))
    async with (
        open_client(slow, token, application) as stranger,
        open_client(slow, TOKEN, application) as seller,
    ):
        assert set(await ask_often(stranger, "/integration/flows")) == {401, 429}
        assert (await seller.get("/integration/flows")).status_code == 200
        assert (await stranger.get(NOBODYS_DOCUMENT)).status_code == 404


async def test_a_flood_at_the_open_addresses_keeps_no_program_of_the_sellers_out(
    slow: Context,
) -> None:
    application = httpx.ASGITransport(create_app(slow))
    async with (
        open_client(slow, None, application) as outsider,
        open_client(slow, TOKEN, application) as seller,
    ):
        assert set(await ask_often(outsider, NOBODYS_DOCUMENT)) == {404, 429}
        assert (await seller.get("/integration/flows")).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_those_who_watch_are_always_answered(slow: Context, path: str) -> None:
    async with open_client(slow) as client:
        assert 429 in await ask_often(client, "/integration/flows")
        assert set(await ask_often(client, f"http://localhost{path}")) == {200}


async def test_who_asks_too_often_is_told_to_slow_down(slow: Context) -> None:
    async with open_client(slow) as client:
        answers = [await client.get("/integration/flows") for _ in range(8)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].headers["retry-after"] == "1"
    assert answers[0].status_code == 200
