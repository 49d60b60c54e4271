"""Local days in a row, and their ends as eMAG's filters and as instants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


@dataclass(frozen=True, order=True)
class Span:
    """The local days from `first` to `last`, both included. No clock changes at midnight."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def each(self) -> Iterator[date]:
        """Its days, oldest first."""
        return (self.first + number * DAY for number in range(self.days))

    def parts(self, days: int) -> Iterator[Span]:
        """The same days in parts of at most so many."""
        first = self.first
        while first <= self.last:
            last = min(self.last, first + (days - 1) * DAY)
            yield Span(first, last)
            first = last + DAY

    def halves(self) -> tuple[Span, Span]:
        """Its two halves; only of more than one day."""
        middle = self.first + (self.days // 2 - 1) * DAY
        return Span(self.first, middle), Span(middle + DAY, self.last)

    def begins(self, zone: ZoneInfo) -> datetime:
        """The instant at which its first day begins."""
        return datetime.combine(self.first, time.min, zone)

    def ends(self, zone: ZoneInfo) -> datetime:
        """The instant at which its last day is over."""
        return datetime.combine(self.last + DAY, time.min, zone)

    def __str__(self) -> str:
        if self.first == self.last:
            return self.first.isoformat()
        return f"{self.first.isoformat()} to {self.last.isoformat()}"
