"""Who throws garbage away: of a Prefect server never the thread that serves."""

from __future__ import annotations

import subprocess
import sys

# An application that makes garbage by the hundred thousands where the server calls it, and says in
# which thread it was thrown away.
PROGRAM = """
import threading, time
from flows import prefect_server

class Waste:
    def __init__(self):
        self.itself = self

    def __del__(self):
        threads.add(threading.current_thread().name)

threads = set()

def create_app():
    end = time.monotonic() + 60
    while not threads and time.monotonic() < end:
        for _ in range(200_000):
            Waste()
        time.sleep(0.1)
    print(*threads)
    raise SystemExit

prefect_server.APPLICATION = "__main__:create_app"
prefect_server._serve("0")
"""


def test_a_thread_of_its_own_throws_garbage_away() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["garbage"]
