"""Flows as people run them: a Prefect server, and a configured shop with one account."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from integrations.emag.accounts import Account


@pytest.fixture(scope="session")
def prefect_server(prefect_database: Path) -> Iterator[None]:
    """A Prefect server of this process alone, on a database that is thrown away."""

    def folder() -> str:
        made = tempfile.mkdtemp()
        shutil.copy(prefect_database, Path(made) / "prefect-test.db")
        return made

    # Its folder goes with the session's, before this process exits.
    nothing_at_exit = SimpleNamespace(register=lambda *_: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prefect.testing.utilities.mkdtemp", folder)
        patch.setattr("prefect.testing.utilities.atexit", nothing_at_exit)
        with (
            prefect_test_harness(server_startup_timeout=90),
            temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        ):
            yield


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
