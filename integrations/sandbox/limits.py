"""Counting arrivals against eMAG's request limits (API facts, Rate limits and size limits)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from integrations.sandbox.switches import Switches

Bucket = Literal["orders", "other"]

# The gateway's headers speak of 3 seconds, the limits of a second and a minute.
HEADER_SECONDS = 3


@dataclass(frozen=True)
class Allowance:
    """What the gateway says about one arrival. `wait` is seconds until there is room again."""

    allowed: bool
    limit: int
    remaining: int
    wait: float

    def headers(self) -> dict[str, str]:
        """The rate headers of an answer."""
        return {
            "X-RateLimit-Limit-3second": str(self.limit),
            "X-RateLimit-Remaining-3second": str(self.remaining),
        }


class Limits:
    """Sliding windows of one second and one minute, for each login and bucket."""

    def __init__(self) -> None:
        self._arrivals: dict[tuple[str, Bucket], deque[float]] = {}

    def arrive(self, login: str, bucket: Bucket, at: float, switches: Switches) -> Allowance:
        """Count an arrival at monotonic time `at`; what is refused takes no room."""
        if bucket == "orders":
            per_second, per_minute = switches.orders_per_second, switches.orders_per_minute
        else:
            per_second, per_minute = switches.other_per_second, switches.other_per_minute
        arrivals = self._arrivals.setdefault((login, bucket), deque())
        while arrivals and at - arrivals[0] >= 60:
            arrivals.popleft()
        wait = max(
            _room_in(arrivals, at, 1.0, per_second), _room_in(arrivals, at, 60.0, per_minute)
        )
        allowed = wait <= 0 or not switches.limits
        if allowed:
            arrivals.append(at)
        limit = HEADER_SECONDS * per_second
        used = _count(arrivals, at, HEADER_SECONDS) if switches.limits else 0
        return Allowance(allowed, limit, max(0, limit - used), wait)

    def clear(self) -> None:
        """Forget every arrival."""
        self._arrivals.clear()


def _room_in(arrivals: deque[float], at: float, seconds: float, most: int) -> float:
    """Seconds until a window has room; 0 when it has room now."""
    if len(arrivals) < most:
        return 0.0
    return max(0.0, arrivals[-most] + seconds - at)


def _count(arrivals: deque[float], at: float, seconds: float) -> int:
    count = 0
    for arrival in reversed(arrivals):
        if at - arrival >= seconds:
            break
        count += 1
    return count
