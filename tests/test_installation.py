"""What is installed fits together, and our packages are the ones that get imported."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.specifiers import SpecifierSet
from sqlalchemy import create_engine, insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from flows.deploy import read_automations, read_deployments

ROOT = Path(__file__).parents[1]
PACKAGES = ("flows", "tasks", "integrations", "migrations")

# What setuptools' backend is told to do: `pip wheel` would ask it for the same.
BUILD = "from setuptools.build_meta import build_wheel; print(build_wheel('dist'))"

USE = """
import flows
from flows.deploy import read_automations, read_deployments
from migrations.run import FOLDER
print(flows.__file__)
print(FOLDER)
print(len(read_deployments([])), len(read_automations()))
"""


@pytest.mark.parametrize("name", ["flows", "flows.cli", "tasks", "integrations", "migrations"])
def test_our_packages_are_not_shadowed(name: str) -> None:
    module = importlib.import_module(name)

    assert module.__file__
    assert ROOT in Path(module.__file__).resolve().parents


def test_the_prefect_server_can_be_imported() -> None:
    """With a FastAPI newer than the lock's it can't (`Body()` lost an argument)."""
    importlib.import_module("prefect.server.api.server")


def test_prefect_can_insert_the_runs_of_a_schedule() -> None:
    """With SQLAlchemy 2.1 it can't: its server would make no scheduled run at all."""
    from prefect.server.database.orm_models import FlowRun

    with Session(create_engine("sqlite://")) as session, pytest.raises(OperationalError):
        session.execute(insert(FlowRun), [{"state": {}}])  # gets as far as that there is no table


def test_every_python_that_is_installed_with_is_one_we_run_on() -> None:
    """What make-venv takes, what pyproject.toml allows and what the README asks for agree."""
    allowed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    makes_venv = (ROOT / ".ci" / "make-venv").read_text()

    versions = [f"3.{minor}" for minor in range(30) if SpecifierSet(allowed).contains(f"3.{minor}")]

    first, last = (int(version.split(".")[1]) for version in (versions[0], versions[-1]))
    assert f"(3, {first}) <= sys.version_info[:2] < (3, {last + 1})" in makes_venv
    assert " ".join(f"python{version}" for version in reversed(versions)) in makes_venv
    needs = f"Python {', '.join(versions[:-1])} or {versions[-1]}"
    assert needs in (ROOT / "README.md").read_text()


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


def test_what_migrates_nothing_does_not_import_sqlalchemy() -> None:
    program = (
        "import sys, flows.cli.status, flows.cli.run, flows.cli.backfill, flows.api;"
        "import integrations.sync.storing_process;"
        "sys.exit('sqlalchemy' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this very state, built beside the repository."""
    source = tmp_path_factory.mktemp("source")
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, source)
    subprocess.run([sys.executable, "-c", BUILD], cwd=source, capture_output=True, check=True)
    [built] = (source / "dist").glob("*.whl")
    return built


def test_a_wheel_holds_every_file_that_the_packages_have(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        held = set(archive.namelist())

    wanted = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {"flows/prefect.yaml", "flows/automations.yaml"} <= wanted
    assert {f"{package}/py.typed" for package in PACKAGES} <= wanted
    assert wanted - held == set()


def test_a_wheel_works_where_there_is_no_repository(wheel: Path, tmp_path: Path) -> None:
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    shop = tmp_path / "shop"
    shop.mkdir()

    said = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=shop,
        env={"PYTHONPATH": str(tmp_path / "installed"), "PREFECT_HOME": str(shop)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert said[:2] == [
        f"{tmp_path}/installed/flows/__init__.py",
        f"{tmp_path}/installed/migrations",
    ]
    assert said[2:] == [str(len(read_deployments([]))), str(len(read_automations()))]
