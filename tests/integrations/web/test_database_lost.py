"""The database stops or freezes under the server: it says so soon, and works again by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from flows.api import open_context
from integrations.embedded import postmaster
from integrations.settings import load_settings
from integrations.web import prompt
from migrations.run import upgrade
from tests.conftest import PASSWORD, USERNAME
from tests.integrations.web.conftest import open_client
from tests.kills.server import serving_postgres

WATCHED = "http://api.example.com"

_BACKENDS = """
    SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND backend_type = 'client backend'
"""


@contextmanager
def frozen(database_url: str) -> Iterator[None]:
    """Whoever serves a connection to the database now does nothing at all."""
    with psycopg.connect(database_url) as connection:
        backends = [pid for (pid,) in connection.execute(_BACKENDS).fetchall()]
    assert backends
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in backends:
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


async def test_a_stopped_database_is_named(
    tmp_path: Path, emag_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving_postgres(tmp_path / "pg") as server:
        upgrade(server.url)
        for name, value in {
            "DATABASE_URL": server.url,
            "EMAG_USERNAME": USERNAME,
            "EMAG_PASSWORD": PASSWORD,
            "EMAG_BASE_URL": emag_url,
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
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
