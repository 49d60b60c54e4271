"""Flows as people run them: a Prefect server, and a configured shop with one account."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

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
    # It imports Prefect's whole server, which most processes of a test run do not need.
    from prefect.testing.utilities import prefect_test_harness

    def folder() -> str:
        made = tempfile.mkdtemp()
        shutil.copy(prefect_database, Path(made) / "prefect-test.db")
        return made

    # Its folder goes with the session's, before this process exits.
    nothing_at_exit = SimpleNamespace(register=lambda *_: None)
    with ExitStack() as started:
        patch = started.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("prefect.testing.utilities.mkdtemp", folder)
        patch.setattr("prefect.testing.utilities.atexit", nothing_at_exit)
        started.enter_context(prefect_test_harness(server_startup_timeout=90))
        started.enter_context(temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}))
        _SERVER.append(started.pop_all())


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
        "EMAG_RATE_LIMIT_ORDERS": "9",
        "EMAG_RATE_LIMIT_RMA": "2.2",
        "EMAG_RATE_LIMIT_INVOICES": "2.2",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
