"""The database's clock, told from this process's monotonic one: a host's own may be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from integrations.ledger.database import database_time
from integrations.ledger.engine import Engine
from integrations.ledger.instants import Instant

# A read may show what was so this much before it began.
MARGIN: Final = timedelta(seconds=0.5)


@dataclass(frozen=True)
class Clock:
    """The database's time at one instant of this process."""

    moment: datetime
    instant: Instant

    def at(self, instant: Instant) -> datetime:
        """The database's time at that instant: a round trip early, and what the host was halted."""
        return self.moment + timedelta(seconds=instant.monotonic - self.instant.monotonic)

    def now(self) -> datetime:
        """The database's time."""
        return self.at(Instant.now())


async def read_clock(engine: Engine) -> Clock:
    """Ask the database for its time. What is told from it is never later than the truth."""
    moment = await database_time(engine)
    return Clock(moment, Instant.now())
