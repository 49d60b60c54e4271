"""Runs of pytest that are forked from a process which has imported already what is not ours.

Those imports take most of the time of a run of a few tests. What is ours each run imports itself.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

NEEDED = (
    *("alembic.command", "cryptography.fernet", "fastapi", "httpx", "orjson", "psycopg"),
    *("pydantic_settings", "pytest_asyncio.plugin", "rich.console", "rich.table"),
    *("tenacity", "typer", "uvicorn"),
)


@dataclass
class Nursery:
    """A process that forks, started when it is first needed, and anew once a run was ended."""

    _process: subprocess.Popen[str] | None = field(default=None, init=False)

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], log: Path, seconds: float
    ) -> bool:
        """Run pytest, its output in a file; False if it took longer than this and was killed."""
        process = self._process = self._process or _start()
        assert process.stdin is not None
        assert process.stdout is not None
        order = {"arguments": arguments, "environment": environment, "log": str(log)}
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        ended, _, _ = select.select([process.stdout], [], [], seconds)
        if not ended or not process.stdout.readline():
            self.close()
        return bool(ended)

    def close(self) -> None:
        """End the process, and whichever run is under way."""
        process, self._process = self._process, None
        if process is not None:
            with process:
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def open_nursery() -> Iterator[Nursery]:
    """A nursery that is closed at the end."""
    nursery = Nursery()
    try:
        yield nursery
    finally:
        nursery.close()


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def main() -> None:
    """Fork a run for each line of the input, and say when it is over, until the input ends."""
    for module in NEEDED:
        importlib.import_module(module)
    while line := sys.stdin.readline():
        run = os.fork()
        if not run:
            _run(json.loads(line))
        os.waitpid(run, 0)
        sys.stdout.write("over\n")
        sys.stdout.flush()


def _run(order: Mapping[str, object]) -> None:
    """Be a run of pytest."""
    arguments, environment, log = order["arguments"], order["environment"], order["log"]
    assert isinstance(arguments, list)
    assert isinstance(environment, dict)
    os.environ.update(environment)
    written = os.open(str(log), os.O_WRONLY | os.O_CREAT)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(written, 1)
    os.dup2(written, 2)
    code = pytest.main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
