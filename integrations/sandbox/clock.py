"""eMAG's clock: naive local texts outside, aware UTC inside (API facts, Filters of order/read)."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Bucharest")

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}:\d{2})?")


def utc_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def local_text(moment: datetime, zone: ZoneInfo = ZONE) -> str:
    """`Y-m-d H:i:s` of an aware moment, as a clock of the platform shows it."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def local_day(moment: datetime, zone: ZoneInfo = ZONE) -> str:
    """`Y-m-d` of an aware moment on the platform."""
    return moment.astimezone(zone).strftime("%Y-%m-%d")


def moment_of(text: str, zone: ZoneInfo = ZONE) -> datetime:
    """The aware UTC moment of a local text (the first one, in the hour that autumn repeats)."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def filter_moment(value: object) -> datetime | None:
    """The naive local moment of a filter, `Y-m-d H:i:s` or `Y-m-d`; None when it is neither."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.year < 9999 else None  # there must be a month after it


def filter_day(value: object) -> date | None:
    """The day of a `Y-m-d` filter (a time behind it is ignored); None when it is no day."""
    moment = filter_moment(value)
    return moment.date() if moment else None


def month_later(start: datetime) -> datetime:
    """The same time one calendar month later, clipped to that month's last day."""
    year, month = divmod(start.year * 12 + start.month, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return start.replace(year=year, month=month + 1, day=day)


def age(text: str, now: datetime, zone: ZoneInfo = ZONE) -> timedelta:
    """How long ago a local text was, seen from an aware moment."""
    return now - moment_of(text, zone)


def local_texts(given: Mapping[str, Any], zone: ZoneInfo = ZONE) -> dict[str, Any]:
    """A copy in which datetimes have become eMAG's local texts."""
    return {
        key: local_text(value, zone) if isinstance(value, datetime) else value
        for key, value in given.items()
    }


def day_after(day: datetime, days: int) -> str:
    """`Y-m-d` of some days after a local moment."""
    return (day + timedelta(days=days)).strftime("%Y-%m-%d")
