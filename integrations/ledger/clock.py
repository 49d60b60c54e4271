"""The database's clock, told from this process's monotonic one: a host's own may be wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.ledger.database import database_time

# A read may show what was so this much before it began.
MARGIN: Final = timedelta(seconds=0.5)


@dataclass(frozen=True)
class Clock:
    """The database's time at one instant of this process's monotonic clock."""

    moment: datetime
    monotonic: float

    def at(self, monotonic: float) -> datetime:
        """The database's time at that monotonic instant, a round trip early at most."""
        return self.moment + timedelta(seconds=monotonic - self.monotonic)

    def now(self) -> datetime:
        """The database's time."""
        return self.at(time.monotonic())


async def read_clock(engine: AsyncEngine) -> Clock:
    """Ask the database for its time. What is told from it is never later than the truth."""
    moment = await database_time(engine)
    return Clock(moment, time.monotonic())
