"""Flows as people run them: a Prefect server, and a configured shop with one account."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)

from flows.prefect_server import (
    START_SECONDS,
    environment,
    free_port,
    server_settings,
    settings_for,
)
from integrations.emag.accounts import Account

# What ends the Prefect server of this process, while there is one.
_SERVER: list[ExitStack] = []


@pytest.fixture(scope="session")
def no_server_is_left() -> Iterator[None]:
    """Whatever happens to the session, its Prefect server ends with it."""
    yield
    _end_server()


@pytest.fixture
def prefect_server(no_server_is_left: None, prefect_database: Path) -> None:
    """A Prefect server for the tests of a group alone, on a database that is thrown away."""
    if _SERVER:
        return
    with ExitStack() as started:
        home = Path(started.enter_context(tempfile.TemporaryDirectory()))
        shutil.copy(prefect_database, home)
        url = started.enter_context(_serving(home, free_port()))
        settings = {PREFECT_API_URL: url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
        started.enter_context(temporary_settings(settings))
        _SERVER.append(started.pop_all())


@contextmanager
def _serving(home: Path, port: int) -> Iterator[str]:
    """The server as the product starts it, but outlasting the event loop of a test."""
    variables = {**settings_for(home), **server_settings(port)}
    with subprocess.Popen(
        [sys.executable, "-m", "flows.prefect_server", "server", str(port)],
        env=environment(variables),
        cwd=home,
        stdin=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        url = f"http://127.0.0.1:{port}/api"
        deadline = time.monotonic() + START_SECONDS
        try:
            while not _answers(url):
                assert process.poll() is None, "the Prefect server did not start"
                assert time.monotonic() < deadline, "the Prefect server does not answer"
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """The server ends with its group: also one that nobody asks anything takes 3 % of a core."""
    if _group(item) != _group(nextitem):
        _end_server()


def _end_server() -> None:
    while _SERVER:
        _SERVER.pop().close()


def _group(item: pytest.Item | None) -> str | None:
    marker = item.get_closest_marker("xdist_group") if item else None
    return str(marker.args[0]) if marker else None


@pytest.fixture
def configured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str, account: Account
) -> None:
    """The environment of a seller whose eMAG is the sandbox."""
    monkeypatch.chdir(tmp_path)
    values = {
        "DATABASE_URL": database_url,
        "EMAG_USERNAME": account.username,
        "EMAG_PASSWORD": account.password.get_secret_value(),
        "EMAG_BASE_URL": account.base_url,
        "EMAG_ENVIRONMENT": "sandbox",
        "EMAG_QUIET_SECONDS": "0",
        **{f"EMAG_RATE_LIMIT_{each.name}": str(rate) for each, rate in account.rates.items()},
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
