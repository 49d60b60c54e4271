"""Who throws garbage away: of a Prefect server never the thread that serves."""

from __future__ import annotations

import subprocess
import sys

# Garbage by the hundred thousands, each of which says in which thread it was thrown away.
PROGRAM = """
import gc, threading, time
from flows.garbage import look_aside

class Waste:
    def __init__(self):
        self.itself = self

    def __del__(self):
        threads.add(threading.current_thread().name)

threads = set()
look_aside()
end = time.monotonic() + 60
while not threads and time.monotonic() < end:
    for _ in range(200_000):
        Waste()
    time.sleep(0.1)
print(*threads)
"""


def test_a_thread_of_its_own_throws_garbage_away() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["garbage"]
