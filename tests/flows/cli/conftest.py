"""Running the command line as an operator does, for its output and its exit code.

`program` is the program itself. `emag_flows` is all of it but the process, which costs more than
most commands do: what a command says is the same.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from flows.cli.main import answer

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Said:
    """What a command line answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


CommandLine = Callable[..., Awaitable[Said]]


@pytest.fixture
def variables(database_url: str) -> dict[str, str]:
    """The environment of a seller's host, without an account yet."""
    return {"DATABASE_URL": database_url, "EMAG_QUIET_SECONDS": "0"}


@pytest.fixture
def program(variables: dict[str, str], tmp_path: Path) -> CommandLine:
    """Call it as `await program("status", "--json")`, in an empty folder."""

    async def run(*arguments: str, **more: str) -> Said:
        return await run_as_process(arguments, {**variables, **more}, tmp_path)

    return run


@pytest.fixture
def emag_flows(variables: dict[str, str], tmp_path: Path) -> CommandLine:
    """The same in this process, unless it is told of Prefect, which reads its settings once."""

    async def run(*arguments: str, **more: str) -> Said:
        if any(name.startswith("PREFECT_") for name in more):
            return await run_as_process(arguments, {**variables, **more}, tmp_path)
        return await asyncio.to_thread(run_here, arguments, {**variables, **more}, tmp_path)

    return run


@pytest.fixture
def shop(variables: dict[str, str], emag_url: str) -> dict[str, str]:
    """The same environment with the account "main" at the sandbox."""
    variables |= {
        "EMAG_USERNAME": "seller@example.com",
        "EMAG_PASSWORD": "secret",
        "EMAG_BASE_URL": emag_url,
    }
    return variables


async def run_as_process(
    arguments: Sequence[str], variables: Mapping[str, str], folder: Path
) -> Said:
    """Run a command line as a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", *arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Said(process.returncode or 0, out.decode(), err.decode())


def run_here(arguments: Sequence[str], variables: Mapping[str, str], folder: Path) -> Said:
    """Run a command line in a thread of this process, which nothing else may use meanwhile."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        for name, value in variables.items():
            patch.setenv(name, value)
        with _logging_as_it_was():
            code = answer(arguments)
    return Said(code, out.getvalue(), err.getvalue())


@contextmanager
def _logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("emag")
    handlers, level = list(root.handlers), ours.level
    yield
    for handler in [each for each in root.handlers if each not in handlers]:
        root.removeHandler(handler)
        handler.close()
    ours.setLevel(level)
