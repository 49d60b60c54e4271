"""One of eMAG's countries: the clock and the money in which it speaks (API facts, Hosts)."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from integrations.sandbox.clock import ZONE


@dataclass(frozen=True)
class Platform:
    """Whose local times texts carry, and the currency of all amounts."""

    zone: ZoneInfo
    currency: str


ROMANIA = Platform(ZONE, "RON")
