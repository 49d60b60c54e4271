"""What is installed fits together, and our packages are the ones that get imported."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["flows", "flows.cli", "tasks", "integrations", "migrations"])
def test_our_packages_are_not_shadowed(name: str) -> None:
    module = importlib.import_module(name)

    assert module.__file__
    assert ROOT in Path(module.__file__).resolve().parents


def test_the_prefect_server_can_be_imported() -> None:
    """With a FastAPI newer than the lock's it can't (`Body()` lost an argument)."""
    importlib.import_module("prefect.server.api.server")


def test_prefect_reads_our_settings() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["prefect"]
    program = (
        "from prefect.settings import get_current_settings as s;"
        "print(s().server.analytics_enabled, s().server.concurrency.lease_storage)"
    )

    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    lease_storage = settings["server"]["concurrency"]["lease_storage"]
    assert said.stdout.split() == ["False", lease_storage]


def test_the_command_line_does_not_import_prefect() -> None:
    program = (
        "import sys, flows.cli.main, flows.cli.run, flows.cli.status, flows.shop;"
        "sys.exit('prefect' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
