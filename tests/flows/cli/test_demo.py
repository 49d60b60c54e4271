"""The demo, interrupted: whatever it had started by then has ended, and its files are gone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", "demo"),
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    first = await process.stdout.readline()
    assert b"PostgreSQL" in first

    process.send_signal(number)
    _, err = await process.communicate()

    assert process.returncode == 130
    assert err == b"emag-flows: interrupted\n"
    assert files_in(tmp_path) == []
