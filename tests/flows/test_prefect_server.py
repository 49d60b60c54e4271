"""A Prefect server of one's own: it serves, stays in its folder, and outlives nobody."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from flows.prefect_server import prefect_server, settings_for
from integrations.sandbox.market import Market

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]

# A company's, which does not know what is served on this host.
PROXY = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")

STARTER = """
import asyncio, os, sys
from pathlib import Path
from flows.prefect_server import prefect_server

async def main():
    async with prefect_server(Path(sys.argv[1])) as url:
        print(url, flush=True)
        os.kill(os.getpid(), 9)

asyncio.run(main())
"""


async def test_the_command_line_runs_through_it_and_it_ends_with_its_starter(
    tmp_path: Path, prefect_home: Path, market: Market, emag_url: str, database_url: str
) -> None:
    """One test, because a server takes its time to start."""
    home = prefect_home
    order = market.add_order({"status": 2})
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO app.cancellation_requests (emag_order_id) VALUES (%s)", [str(order["id"])]
        )
    shop = {
        "DATABASE_URL": database_url,
        "EMAG_QUIET_SECONDS": "0",
        "EMAG_USERNAME": "seller@example.com",
        "EMAG_PASSWORD": "secret",
        "EMAG_BASE_URL": emag_url,
        **PROXY,
    }

    async with prefect_server(home) as url:
        said = await _python(
            *("-m", "flows.cli.main", "run", "cancellations", "--json"),
            **{**shop, **settings_for(home, url)},
        )
        runs = (await _client().post(f"{url}/flow_runs/filter", json={})).json()
        own = (await _client().get(f"{url}/admin/settings")).json()
        shown = (await _client().get(f"{url.removesuffix('/api')}/ui-settings")).json()

    assert '"synced": 1' in said
    assert [(run["name"], run["state_name"]) for run in runs] == [
        ("cancellations-all-both", "Completed")
    ]
    assert own["ui_url"] == url.removesuffix("/api")  # what links in notifications begin with
    assert shown["default_ui"] == "v1"  # the other has no button to answer a question
    assert not await _answers(url)

    killed = (await _python("-c", STARTER, str(home))).strip()
    assert await _ends(killed)


async def _python(*arguments: str, **variables: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return out.decode()


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, timeout=10)


async def _answers(url: str) -> bool:
    try:
        return (await _client().get(f"{url}/health")).is_success
    except httpx.TransportError:
        return False


async def _ends(url: str) -> bool:
    """Wait until the server closes a connection that nobody speaks on: it does so when it ends."""
    address = urlsplit(url)
    with suppress(ConnectionError):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        await reader.read()
        writer.close()
    return not await _answers(url)
