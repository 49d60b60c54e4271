"""The database stops or freezes under the server: it says so soon, and works again by itself."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest

from flows import api as api_module
from flows.api import open_context
from flows.prefect_server import descendants
from integrations.emag.accounts import Account
from integrations.embedded import postmaster
from integrations.ledger import hints
from integrations.sandbox.market import Market
from integrations.settings import load_settings
from integrations.web import prompt
from integrations.web.callbacks import secret_of
from integrations.web.context import Context
from migrations.run import upgrade
from tests.conftest import PASSWORD, USERNAME
from tests.integrations.web.conftest import open_client
from tests.kills.server import Server, serving_postgres

WATCHED = "http://localhost"

# What takes this long waits for ever.
WELL_BEYOND_SECONDS = 60.0

_BACKENDS = """
    SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND backend_type = 'client backend'
"""


@pytest.fixture
def database_url(new_database_url: str) -> str:
    """What stands still here is all that is connected, and that shall be one connection."""
    return new_database_url


@contextmanager
def frozen(database_url: str) -> Iterator[None]:
    """Whoever serves a connection to the database now does nothing at all."""
    with psycopg.connect(database_url) as connection:
        backends = [pid for (pid,) in connection.execute(_BACKENDS).fetchall()]
    assert backends
    with halted(backends):
        yield


@contextmanager
def halted(processes: Iterable[int]) -> Iterator[None]:
    """These processes do nothing; one or the other may be ending by itself."""
    found = list(processes)
    try:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("path", [f"{WATCHED}/ready", "/integration/status"])
async def test_a_frozen_database_is_told_and_another_connection_tried(
    api: httpx.AsyncClient, database_url: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt, "PATIENCE_SECONDS", 0.5)
    assert (await api.get("/rma/1")).status_code == 404  # the pool has a connection now
    with frozen(database_url):
        told = await api.get(path)
        next_one = await api.get(path)

    assert (told.status_code, told.headers["retry-after"]) == (503, "5")
    assert told.json()["detail"] == "the database does not answer: try again"
    assert next_one.status_code == 200


async def test_a_callback_is_told_of_a_frozen_database(
    context: Context,
    account: Account,
    stranger: httpx.AsyncClient,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hints, "PATIENCE_SECONDS", 0.5)
    address = f"/callbacks/{secret_of(context, account)}/new_order?order_id=480000101"
    before = await stranger.get(address)
    async with asyncio.timeout(WELL_BEYOND_SECONDS):
        with frozen(database_url):
            told = await stranger.get(address)
            next_one = await stranger.get(address)

    assert [each.status_code for each in (before, told, next_one)] == [200, 503, 200]


@pytest.fixture
def server(tmp_path: Path, emag_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A PostgreSQL for one test alone, and a seller's environment that names it."""
    with serving_postgres(tmp_path / "pg") as running:
        upgrade(running.url)
        for name, value in {
            "DATABASE_URL": running.url,
            "EMAG_USERNAME": USERNAME,
            "EMAG_PASSWORD": PASSWORD,
            "EMAG_BASE_URL": emag_url,
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield running


@contextmanager
def frozen_whole(server: Server) -> Iterator[None]:
    """No process of the server does anything: it takes connections, and answers on none."""
    running = postmaster.running(server.home)
    assert running is not None
    # The first one begins no others any more, so that all of them are found.
    with halted([running.pid]), halted(descendants(running.pid)):
        yield


async def comes(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    for _ in range(int(WELL_BEYOND_SECONDS / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come")


async def test_whoever_watches_or_tests_the_connection_is_told_of_a_frozen_database(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt, "PATIENCE_SECONDS", 0.5)
    async with open_context(load_settings()) as context, open_client(context, None) as client:
        with frozen_whole(server):
            async with asyncio.timeout(WELL_BEYOND_SECONDS):
                figures = [await client.get(f"{WATCHED}/metrics") for _ in range(2)]
                tested = [
                    await client.post("/integration/test-connection", json={}) for _ in range(2)
                ]
        afterwards = await client.get(f"{WATCHED}/metrics")

    assert [each.status_code for each in (*figures, afterwards)] == [503, 503, 200]
    assert figures[0].json()["detail"] == "the database does not answer: try again"
    for each in tested:
        [step] = each.json()["steps"]
        assert (each.status_code, each.json()["connected"]) == (200, False)
        assert (step["name"], step["ok"]) == ("database", False)
        assert step["detail"] == "no answer within 0.5 s"


async def test_a_database_that_freezes_in_the_middle_of_first_contact_is_told(
    server: Server, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt, "PATIENCE_SECONDS", 0.5)
    market.switches = replace(market.switches, answer_seconds=2.0)
    async with open_context(load_settings()) as context, open_client(context, None) as client:
        testing = asyncio.create_task(client.post("/integration/test-connection", json={}))
        await comes(lambda: bool(market.journal.requests))
        async with asyncio.timeout(WELL_BEYOND_SECONDS):
            with frozen_whole(server):
                told = await testing

    assert [step["name"] for step in told.json()["steps"]] == ["database"]
    assert told.json()["steps"][0]["detail"] == "no answer within 0.5 s"


@pytest.mark.parametrize(
    ("method", "path", "body", "usual"),
    [
        ("GET", "/invoice/1", None, 404),
        ("POST", "/order/cancel", {"emag_order_id": "480000101"}, 202),
        ("POST", "/invoice/update_payment", {"invoice_id": 1}, 404),
    ],
)
async def test_no_operation_waits_for_a_frozen_database(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: dict[str, object] | None,
    usual: int,
) -> None:
    monkeypatch.setattr(api_module, "HELD_SECONDS", 0.5)
    async with open_context(load_settings()) as context, open_client(context, None) as client:
        before = await client.request(method, path, json=body)
        async with asyncio.timeout(WELL_BEYOND_SECONDS):
            with frozen(server.url):
                told = await client.request(method, path, json=body)
                next_one = await client.request(method, path, json=body)

    assert [each.status_code for each in (before, told, next_one)] == [usual, 503, usual]
    assert told.json()["detail"].startswith("the database does not answer: ")


async def test_a_stopped_database_is_named(server: Server) -> None:
    async with open_context(load_settings()) as context, open_client(context, None) as client:
        before = await client.post("/integration/test-connection", json={})
        running = postmaster.running(server.home)
        assert running is not None
        postmaster.stop(server.home, running)
        after = await client.post("/integration/test-connection", json={})
        ready = await client.get(f"{WATCHED}/ready")
        figures = await client.get(f"{WATCHED}/metrics")
        keyless = await client.post("/order/cancel", json={"emag_order_id": "480000101"})
        keyed = await client.post(
            "/order/cancel",
            json={"emag_order_id": "480000101"},
            headers={"Idempotency-Key": "one"},
        )
    postmaster.start(server.home, server.options)

    assert before.json()["steps"][0] == {
        "name": "database",
        "ok": True,
        "detail": "reachable",
        "remedy": "",
    }
    [step] = after.json()["steps"]
    assert (after.status_code, after.json()["connected"]) == (200, False)
    assert (step["name"], step["ok"], step["remedy"]) == ("database", False, "check DATABASE_URL")
    assert step["detail"].startswith("the database cannot be reached (")
    assert {answer.status_code for answer in (ready, figures, keyless, keyed)} == {503}
    assert figures.json()["detail"] == "the database does not answer: try again"
    assert "with an Idempotency-Key nothing is done twice" in keyless.json()["detail"]
    assert keyed.json()["detail"].endswith("try again, with the same Idempotency-Key")
