"""The next ids of everything that eMAG numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field


def _from(start: int) -> Callable[[], int]:
    return itertools.count(start).__next__


@dataclass
class Sequences:
    """Counters, each starting where it looks like eMAG."""

    order: Callable[[], int] = field(default_factory=lambda: _from(480000001))
    line: Callable[[], int] = field(default_factory=lambda: _from(700000001))
    rma: Callable[[], int] = field(default_factory=lambda: _from(52000001))
    rma_line: Callable[[], int] = field(default_factory=lambda: _from(61000001))
    reservation: Callable[[], int] = field(default_factory=lambda: _from(4500001))
    invoice: Callable[[], int] = field(default_factory=lambda: _from(900001))
