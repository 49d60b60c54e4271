"""The past in slices that eMAG takes in one question, and what to ask of each.

eMAG's times are local and carry no zone (API facts: Filters of order/read): in autumn an hour comes
twice and in spring one is left out. So slices are cut at midnights, where no clock changes, and
each asks for an hour more at both ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from integrations.emag.wire import open_end, to_local, to_utc

OVERLAP = timedelta(hours=1)

# Days of a slice: with what it overlaps, and the hour that autumn adds, it stays below 27.
DAYS = 26


@dataclass(frozen=True)
class Slice:
    """A part of the past: from `start` on and before `end`, both aware UTC."""

    start: datetime
    end: datetime


def slices(since: date, until: date, zone: ZoneInfo) -> list[Slice]:
    """The local days from `since` to the end of `until`, oldest first."""
    cuts = [since]
    while cuts[-1] <= until:
        cuts.append(min(cuts[-1] + timedelta(days=DAYS), until + timedelta(days=1)))
    moments = [midnight(day, zone) for day in cuts]
    return [Slice(*each) for each in pairwise(moments)]


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a local day begins."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def window(part: Slice, names: tuple[str, str], zone: ZoneInfo, now: datetime) -> Mapping[str, str]:
    """The filters for a slice; a slice that has not ended by now is left open.

    Args:
        names: eMAG's names for the filters of the beginning and the end.
    """
    asked = {names[0]: to_local(part.start - OVERLAP, zone)}
    if part.end <= now:
        asked[names[1]] = to_local(part.end + OVERLAP, zone)
    elif (present := open_end(now, zone)) is not None:
        asked[names[1]] = present
    return asked


def lies_in(part: Slice, placed: object, zone: ZoneInfo) -> bool:
    """Whether eMAG's local time is one that a slice's filters ask for; unreadable ones may be.

    A time of the hour that comes twice may be either, so that an hour more is let through.
    """
    moment = to_utc(placed, zone)
    spare = 2 * OVERLAP
    return moment is None or part.start - spare <= moment <= part.end + spare
