"""The endpoints as they are served, with the seller's own settings and the marketplace behind."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import httpx
import pytest

from flows.api import open_context
from integrations.emag.accounts import Account
from integrations.sandbox.market import Market
from integrations.settings import load_settings
from tests.flows.test_resident import residing
from tests.integrations.web.conftest import open_client

pytestmark = pytest.mark.usefixtures("configured")

PASSWORD = "known-to-eMAG-alone"
TOKEN = "a-token-of-the-sellers-own-making"
CALLS_KEY = base64.urlsafe_b64encode(b"the key that seals the calls' 32").decode()
ORDER, UNKNOWN = 480000101, 480000999


@pytest.fixture
def credentials(market: Market, account: Account, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the settings hold that nobody may be told, and the login as eMAG is shown it."""
    market.credentials[account.username] = PASSWORD
    for name, value in {
        "EMAG_PASSWORD": PASSWORD,
        "EMAG_API_TOKEN": TOKEN,
        "EMAG_CALLS_KEY": CALLS_KEY,
    }.items():
        monkeypatch.setenv(name, value)
    login = base64.b64encode(f"{account.username}:{PASSWORD}".encode()).decode()
    return [TOKEN, CALLS_KEY, PASSWORD, account.username, login]


@pytest.fixture
async def seller(credentials: list[str]) -> AsyncIterator[httpx.AsyncClient]:
    """A program of the seller's; while it runs, a resident loop carries what it asks for."""
    settings = load_settings()
    async with (
        residing(),
        open_context(settings) as context,
        open_client(context, TOKEN) as client,
    ):
        client.timeout = httpx.Timeout(60)
        yield client


async def test_what_is_asked_for_over_http_reaches_emag_while_the_caller_waits(
    seller: httpx.AsyncClient, market: Market
) -> None:
    market.add_orders([{"id": ORDER, "status": 1}])
    wait = {"wait": 30}

    known = await seller.post("/order/cancel", params=wait, json={"emag_order_id": ORDER})
    unknown = await seller.post("/order/cancel", params=wait, json={"emag_order_id": UNKNOWN})

    assert (known.status_code, unknown.status_code) == (200, 200)
    done, refused = known.json(), unknown.json()
    assert (done["success"], done["state"], done["status"]) == (True, "synced", "canceled")
    assert done["emag_cancellation_id"] == str(ORDER)
    assert (refused["success"], refused["state"]) == (False, "refused")
    assert f"Order {UNKNOWN} is not known at eMAG" in refused["error"]
    order = market.orders.get(ORDER)
    assert order is not None
    assert order["status"] == 0


async def test_first_contact_over_http_is_the_doctors(
    seller: httpx.AsyncClient, market: Market
) -> None:
    market.add_orders([{"id": ORDER, "status": 2}])

    answer = (await seller.post("/integration/test-connection", json={})).json()

    steps = {step["name"]: step for step in answer["steps"]}
    assert len(steps) == len(answer["steps"])
    assert {"database", "clock", "host clock", "login", "credentials", "page size"} <= steps.keys()
    assert [name for name, step in steps.items() if not step["ok"]] == []
    assert (answer["status"], answer["connected"]) == ("success", True)
    status = (await seller.get("/integration/status")).json()["integration_status"]
    assert (status["connected"], status["account_type"]) == (True, "main")


async def test_no_answer_holds_a_credential(
    seller: httpx.AsyncClient, market: Market, credentials: list[str]
) -> None:
    market.add_orders([{"id": ORDER, "status": 2}])

    answers = [
        await seller.post("/order/cancel", params={"wait": 30}, json={"emag_order_id": ORDER}),
        await seller.post("/order/cancel", json={"emag_order_id": "nonsense"}),
        await seller.post("/integration/test-connection", json={}),
        *[
            await seller.get(path)
            for path in ("/integration/status", "/integration/configuration", "/rma/1")
        ],
        *[
            await seller.get(f"http://localhost{path}")
            for path in ("/metrics", "/openapi.json", "/nowhere")
        ],
    ]

    assert answers[4].json()["configuration"]["accounts"]["main"]["credentials"] == "set"
    for answer in answers:
        told = f"{answer.headers}{answer.text}"
        assert [secret for secret in credentials if secret in told] == []
