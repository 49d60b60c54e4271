"""Prefect's parts end with whoever started them, and a worker's runs with their worker."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process

import pytest

from flows.prefect_server import descendants, stop_worker

PATIENCE = 30.0

# A worker as Prefect has it: its run is in a session of its own, and hears of no signal to ours.
WORKER = """
import subprocess, sys
run = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"],
    start_new_session=True)
print(run.pid, flush=True)
run.wait()
"""


@pytest.fixture
async def worker() -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORKER), stdout=PIPE, start_new_session=True
    )


async def test_a_worker_that_is_stopped_leaves_no_run_behind(worker: Process) -> None:
    assert worker.stdout is not None
    run = int(await worker.stdout.readline())
    assert descendants(worker.pid) == [run]

    await stop_worker(worker)

    async with asyncio.timeout(PATIENCE):  # the pipe ends with the last who could write to it
        assert await worker.stdout.read() == b""
