"""The units, the image and the compose file of `deploy/` call what exists, with what it takes."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from flows.cli.main import COMMANDS, _load

ROOT = Path(__file__).parents[1]
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
COPIED = {
    source
    for sources in re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for source in sources.split()
}
EVERY_UNIT = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)


def sections(unit: Path) -> ConfigParser:
    """A unit's settings, by section; of one that may stand several times, the last."""
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit)
    return parser


def commands() -> Iterator[list[str]]:
    """What units and services start: the program's name and its arguments."""
    for unit in UNITS:
        program, *arguments = shlex.split(sections(unit)["Service"]["ExecStart"])
        yield [Path(program).name, *arguments]
    for service in COMPOSE["services"].values():
        if "command" in service:
            yield service["command"]


def options(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--")}


def test_there_is_something_to_start() -> None:
    assert len(UNITS) == 3
    assert {words[0] for words in commands()} == {"emag-flows", "prefect"}


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_commands_and_their_options_exist(words: list[str]) -> None:
    program, *rest = words
    if program == "emag-flows":
        assert rest[0] in COMMANDS
        taken = {name for option in _load(rest[0]).params for name in option.opts}
    else:
        name = [word for word in rest if not word.startswith("-")][:2]
        shown = subprocess.run(
            [Path(sys.executable).with_name(program), *name, "--help"],
            capture_output=True,
            text=True,
            check=True,
        )
        taken = set(re.findall(r"--[a-z][a-z-]+", shown.stdout))

    assert options(rest) <= taken


@EVERY_UNIT
def test_units_restart_what_ended_and_give_it_no_rights_to_spare(unit: Path) -> None:
    service = sections(unit)["Service"]

    assert service["Restart"] == "always"
    assert service.get("User") == "emag" or service["DynamicUser"] == "yes"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """The programs are looked for where they are here; a unit is verified with what it names."""
    for unit in UNITS:
        here = unit.read_text().replace(
            "/opt/emag-flows/.venv/bin", str(Path(sys.executable).parent)
        )
        (tmp_path / unit.name).write_text(here)

    verified = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.glob("*.service")))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (verified.returncode, verified.stderr) == (0, "")


def test_prefects_server_knows_no_credentials_of_the_shop() -> None:
    prefect = COMPOSE["services"]["prefect"]
    unit = sections(ROOT / "deploy/systemd/emag-prefect.service")["Service"]

    assert "env_file" not in prefect
    assert "User" not in unit


def test_services_are_watched_and_keep_nothing_in_their_images() -> None:
    for name, service in COMPOSE["services"].items():
        assert "healthcheck" in service or service["restart"] == "on-failure", name
        assert service.get("read_only", True), name


def test_services_wait_for_services_that_exist_and_listen_on_loopback_only() -> None:
    services = COMPOSE["services"]

    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        build = service.get("build", {"dockerfile": "deploy/Dockerfile"})
        assert (ROOT / build["dockerfile"]).is_file()


def test_the_image_copies_what_is_in_the_repository() -> None:
    assert COPIED
    assert all((ROOT / source).exists() for source in COPIED)


def test_the_engine_is_given_only_what_the_image_copies() -> None:
    lines = (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines()

    assert lines[1] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == COPIED
