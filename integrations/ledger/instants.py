"""Instants of this process by every clock that its host has: no one of them shows every halt."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Self


def _since_boot() -> float:
    """Seconds since the host was booted, with those in which it was suspended where that is told.

    Linux tells them by this clock alone (clock_gettime(2)); elsewhere the other clocks must do.
    """
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class Instant:
    """One instant, in seconds: by the monotonic clock, since the boot, by the clock on the wall.

    The first stands still while a host is suspended, the first two while a virtual machine is.
    """

    monotonic: float
    booted: float
    wall: float

    @classmethod
    def now(cls) -> Self:
        """This instant."""
        return cls(time.monotonic(), _since_boot(), time.time())

    def age(self) -> float:
        """Seconds since then: as many as the clock tells that went on furthest.

        So a wall clock that was set back meanwhile has no say, and one that was set forward, or
        right after a halt, makes things older than they may be: whoever asks does too little.
        """
        now = Instant.now()
        return max(now.monotonic - self.monotonic, now.booted - self.booted, now.wall - self.wall)
