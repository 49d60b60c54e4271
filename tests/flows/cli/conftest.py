"""Running the command line as an operator does: another process, its output and its exit code."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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
def emag_flows(variables: dict[str, str], tmp_path: Path) -> CommandLine:
    """Call it as `await emag_flows("status", "--json")`, in an empty folder."""

    async def run(*arguments: str, **more: str) -> Said:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flows.cli.main", *arguments),
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables, **more},
            cwd=tmp_path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return Said(process.returncode or 0, out.decode(), err.decode())

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
