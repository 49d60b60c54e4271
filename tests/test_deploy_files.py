"""The units, the image and the compose file of `deploy/` call what exists, with what it takes."""

from __future__ import annotations

import re
import shlex
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
    assert len(UNITS) == 2
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
    assert service["User"] == "emag"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"


def test_services_wait_for_services_that_exist_and_listen_on_loopback_only() -> None:
    services = COMPOSE["services"]

    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        build = service.get("build", {"dockerfile": "deploy/Dockerfile"})
        assert (ROOT / build["dockerfile"]).is_file()


def test_the_image_copies_what_is_in_the_repository() -> None:
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", DOCKERFILE, re.MULTILINE)

    assert copied
    assert all((ROOT / source).exists() for sources in copied for source in sources.split())
