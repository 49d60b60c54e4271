"""The demo, interrupted in the middle of a flow: Prefect is silent, and nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.long


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_ctrl_c_during_a_flow_ends_the_demo_with_one_line(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", "demo"),
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout
    while b"flow cancellation-sync" not in (line := await process.stdout.readline()):
        assert line, "the demo has ended by itself"

    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: everybody hears it
    out, err = await process.communicate()

    assert err == b"emag-flows: interrupted\n", out
    assert process.returncode == 130
    assert files_in(tmp_path) == []
