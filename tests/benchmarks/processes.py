"""How much CPU processes have taken, from Linux's own books."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from flows.prefect_server import descendants

_TICKS = os.sysconf("SC_CLK_TCK")

# After the name in parentheses: state is the first, utime, stime, cutime and cstime follow.
_TIMES = slice(11, 15)


def cpu_of(pids: Iterable[int]) -> float:
    """Seconds that these have taken, and those of their children whose end they have seen."""
    return sum(_cpu(pid) for pid in pids)


def tree(root: int) -> list[int]:
    """A process and all below it."""
    return [root, *descendants(root)]


def _cpu(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[_TIMES])) / _TICKS
    return 0.0
