"""What a command says that was told to stop: once, whoever comes to say it."""

from __future__ import annotations

import sys
import threading

INTERRUPTED = 130  # the exit code of a program that SIGINT ended

_unsaid = threading.Semaphore(1)


def say_interrupted() -> int:
    """Say it unless it is said; the exit code that goes with it."""
    if _unsaid.acquire(blocking=False):
        print("emag-flows: interrupted", file=sys.stderr, flush=True)
    return INTERRUPTED
