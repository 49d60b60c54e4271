"""How the command line answers what it can't do: one line, and the exit code that says why."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli.main import COMMANDS, EXIT_CODES, answer

ROOT = Path(__file__).parents[3]
PASSWORD = "hunter2-secret"
HUGE = "9" * 20


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer([name, "--help"]) == 0
    assert "Usage: emag-flows" in capsys.readouterr().out


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer([]) == 0

    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("name", EXIT_CODES)
def test_every_error_in_the_table_exists(name: str) -> None:
    module, _, error = name.rpartition(".")

    assert issubclass(getattr(importlib.import_module(module), error), Exception)


MISTAKES = [
    (["statsu"], {}, 2, "Did you mean 'status'"),
    (["run"], {}, 2, "emag-flows run --help"),
    (["run", "rma", "--limit", "0"], {}, 2, "--limit"),
    (["run", "rma", "--limit", HUGE], {}, 2, "--limit"),
    (["run", "rma", "--limit", "1000001"], {}, 2, "--limit"),
    (["calls", "--order", HUGE], {}, 2, "--order"),
    (["calls", "--rma", HUGE], {}, 2, "--rma"),
    (["calls", "--limit", HUGE], {}, 2, "--limit"),
    (["calls", "--until", "9999-12-31"], {}, 2, "--until"),
    (["inbox", "--limit", HUGE], {}, 2, "--limit"),
    (["sandbox", "--port", "99999"], {}, 2, "--port"),
    (["sandbox", "--port", "-1"], {}, 2, "--port"),
    (["sandbox", "--orders", HUGE], {}, 2, "--orders"),
    (["api", "--port", "99999"], {}, 2, "--port"),
    (["api", "--port", "-1"], {}, 2, "--port"),
    (["run", "rma", "--max-in-flight", "17"], {}, 2, "--max-in-flight"),
    (["run", "rma", "--direction", "sideways"], {}, 2, "'--direction': 'sideways' is not one of"),
    (["calls", "--since", "gestern"], {}, 2, "'--since': 'gestern' does not match"),
    (["sandbox", "--switch", "zone=Mars"], {}, 2, "switches: there is no zone 'Mars'"),
    (["replay", "order:1"], {}, 2, "'order:1' names no row"),
    (["adopt"], {}, 2, "--since"),
    (["run", "rma"], {}, 2, "set EMAG_USERNAME and EMAG_PASSWORD"),
    (["status"], {"EMAG_QUIET_SECONDS": "soon"}, 2, "EMAG_QUIET_SECONDS"),
    (["status"], {"EMAG_ACCOUNTS": f'[{{"password": "{PASSWORD}",]'}, 2, "EMAG_ACCOUNTS"),
    (["status"], {"EMAG_DATA_DIR": "/proc/nowhere"}, 2, "make an embedded one with"),
    (["status"], {"EMAG_DATA_DIR": "/proc/nowhere"}, 2, "(EMAG_DATA_DIR)"),
    (["db", "upgrade"], {"EMAG_DATA_DIR": "/proc/nowhere"}, 2, "set EMAG_DATA_DIR to a folder"),
    (
        ["run", "rma", "--account", "other"],
        {"EMAG_USERNAME": "a", "EMAG_PASSWORD": PASSWORD},
        2,
        "use one of: main, all",
    ),
    (["status"], {"DATABASE_URL": f"postgresql://a:{PASSWORD}@127.0.0.1:1/x"}, 3, "DATABASE_URL"),
    (["status"], {"DATABASE_URL": f"postgresql://a:{PASSWORD}%zz@127.0.0.1:1/x"}, 2, "% as %25"),
    (["status"], {"DATABASE_URL": f"postgresql://a:x@{PASSWORD}@127.0.0.1/x"}, 2, "@ as %40"),
    (["status"], {"DATABASE_URL": "postgresql://127.0.0.1:1/x?sslmode=bogus"}, 2, "sslmode"),
    (["status"], {"DATABASE_URL": f"postgresql://a:{PASSWORD}@{PASSWORD}:1/x"}, 3, "DATABASE_URL"),
    (["db", "upgrade"], {"DATABASE_URL": f"postgresql://a:{PASSWORD}@127.0.0.1:1/x"}, 3, "refused"),
    (
        ["db", "upgrade"],
        {"DATABASE_URL": f"postgresql://a:{PASSWORD}@{PASSWORD}:1/x"},
        3,
        "failed to resolve host '***'",
    ),
]


@pytest.mark.parametrize(("arguments", "variables", "code", "text"), MISTAKES)
def test_a_mistake_is_one_line_on_standard_error(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    variables: dict[str, str],
    code: int,
    text: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert answer(arguments) == code

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert text in said.err
    assert PASSWORD not in said.err


@pytest.mark.parametrize("arguments", [["--help"], ["db", "upgrade", "--sql"]])
def test_output_that_finds_no_room_is_one_line(arguments: list[str]) -> None:
    """A short output is written at the end, a long one meanwhile."""
    with Path("/dev/full").open("w") as full:
        said = subprocess.run(
            [sys.executable, "-m", "flows.cli.main", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert (said.returncode, said.stderr) == (
        1,
        "emag-flows: the output could not be written: No space left on device\n",
    )


def test_a_database_that_was_never_set_up_names_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bare_database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", bare_database_url)

    assert answer(["status"]) == 2
    assert "emag-flows db upgrade" in capsys.readouterr().err
