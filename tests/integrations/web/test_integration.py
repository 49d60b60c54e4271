"""The integration's own endpoints answer as the guide says, and tell no secret."""

from __future__ import annotations

import httpx

from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine
from tests.conftest import PASSWORD


async def called(engine: Engine, minutes_ago: float, verdict: str = "applied") -> None:
    async with transaction(engine) as connection:
        await connection.execute("SELECT app.emag_prepare_calls(1)")
        await connection.execute(
            "INSERT INTO app.emag_api_calls (id, sent_at, account, platform, route, verdict,"
            " closed_at) SELECT gen_random_uuid(), clock_timestamp(), 'main', 'x',"
            " 'order/read', :verdict, clock_timestamp() - make_interval(secs => :ago)",
            {"verdict": verdict, "ago": minutes_ago * 60},
        )


async def test_a_success_under_five_minutes_ago_is_a_connection(
    api: httpx.AsyncClient, engine: Engine
) -> None:
    await called(engine, 4)
    told = (await api.get("/integration/status")).json()
    assert (told["status"], told["message"]) == ("success", "eMAG integration status retrieved")
    status = told["integration_status"]
    assert (status["connected"], status["account_type"]) == (True, "main")
    assert status["supported_flows"] == [
        "rma_management",
        "order_cancellations",
        "invoice_management",
    ]


async def test_an_older_success_is_none(api: httpx.AsyncClient, engine: Engine) -> None:
    await called(engine, 6)
    await called(engine, 0, "unavailable")
    told = (await api.get("/integration/status")).json()
    assert told["integration_status"]["connected"] is False


async def test_each_step_of_first_contact_is_told(api: httpx.AsyncClient) -> None:
    answer = await api.post("/integration/test-connection", json={"account_type": "main"})
    told = answer.json()
    assert (told["status"], told["connected"]) == ("error", False)
    assert [step["ok"] for step in told["steps"]] == [True, False]
    assert told["message"] == "page size: a page holds nothing; ask eMAG"


async def test_an_unknown_account_is_named(api: httpx.AsyncClient) -> None:
    answer = await api.post("/integration/test-connection", json={"account_type": "hu"})
    assert (answer.status_code, "there are: main" in answer.json()["detail"]) == (404, True)


async def test_the_configuration_tells_no_secret(api: httpx.AsyncClient) -> None:
    answer = await api.get("/integration/configuration")
    assert answer.json()["configuration"]["calls_key"] == "not set"
    assert PASSWORD not in answer.text


async def test_figures_for_prometheus(api: httpx.AsyncClient) -> None:
    answer = await api.get("http://localhost/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "emag_changes 0.0" in answer.text


async def test_the_logins_of_a_platform_share_their_figures(
    api: httpx.AsyncClient, engine: Engine
) -> None:
    async with transaction(engine) as connection:
        await connection.execute(
            "INSERT INTO app.emag_rate_limits (platform, login, bucket, next_free_at,"
            " throttled) VALUES ('emag-ro', 'a', 'orders', now(), 2),"
            " ('emag-ro', 'b', 'orders', now(), 3)"
        )
    told = (await api.get("http://api.example.com/metrics")).text
    figures = [line for line in told.splitlines() if line.startswith("emag_throttled_total")]
    assert figures == ['emag_throttled_total{bucket="orders",platform="emag-ro"} 5.0']
