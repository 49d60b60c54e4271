"""The past in slices: nothing between two of them, whatever the platform's clock does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from integrations.emag.wire import to_local
from integrations.sync.past import Slice, lies_in, midnight, slices, window

BUCHAREST = ZoneInfo("Europe/Bucharest")
NAMES = ("createdAfter", "createdBefore")
LATER = datetime(2027, 1, 1, tzinfo=UTC)

# The hours around the changes of 2026: 03:00 to 04:00 is left out, and comes twice.
SPRING = datetime(2026, 3, 28, 22, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 21, tzinfo=UTC)


def moments(first: datetime, hours: int = 8) -> list[datetime]:
    return [first + timedelta(minutes=10 * each) for each in range(6 * hours)]


def asks_for(part: Slice, moment: datetime) -> bool:
    """Whether eMAG, which compares local texts, shows what happened at that moment."""
    asked = window(part, NAMES, BUCHAREST, LATER)
    return asked[NAMES[0]] <= to_local(moment, BUCHAREST) <= asked[NAMES[1]]


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (date(2026, 5, 1), date(2026, 5, 1), [1]),
        (date(2026, 5, 1), date(2026, 5, 26), [26]),
        (date(2026, 5, 1), date(2026, 5, 27), [26, 1]),
        (date(2026, 1, 1), date(2026, 3, 31), [26, 26, 26, 12]),
    ],
)
def test_slices_cover_all_days_oldest_first(since: date, until: date, days: list[int]) -> None:
    cut = slices(since, until, BUCHAREST)
    assert [round((part.end - part.start) / timedelta(days=1)) for part in cut] == days
    assert cut[0].start == midnight(since, BUCHAREST)
    assert cut[-1].end == midnight(until + timedelta(days=1), BUCHAREST)
    assert all(one.end == other.start for one, other in pairwise(cut))


@pytest.mark.parametrize("zone", ["Europe/Bucharest", "Europe/Sofia", "Europe/Budapest"])
def test_no_question_is_about_more_than_27_days(zone: str) -> None:
    for part in slices(date(2026, 1, 1), date(2026, 12, 31), ZoneInfo(zone)):
        asked = window(part, NAMES, ZoneInfo(zone), LATER)
        first, last = (datetime.fromisoformat(asked[name]) for name in NAMES)
        assert last - first <= timedelta(days=27)


@pytest.mark.parametrize("change", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_a_slice_that_ends_or_begins_in_a_clock_change_leaves_nothing_out(change: datetime) -> None:
    for cut in moments(change):
        before = Slice(change - timedelta(days=1), cut)
        after = Slice(cut, change + timedelta(days=1))
        for moment in moments(change):
            part = before if moment < cut else after
            assert asks_for(part, moment), (cut, moment)


@pytest.mark.parametrize("change", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_what_a_slice_asks_for_counts_as_asked_for(change: datetime) -> None:
    for cut in moments(change):
        part = Slice(cut - timedelta(hours=5), cut)
        for moment in moments(change):
            if asks_for(part, moment):
                assert lies_in(part, to_local(moment, BUCHAREST), BUCHAREST), (cut, moment)


def test_what_is_far_from_a_slice_was_not_asked_for() -> None:
    part = Slice(AUTUMN, AUTUMN + timedelta(days=1))
    assert not lies_in(part, to_local(part.start - timedelta(hours=3), BUCHAREST), BUCHAREST)
    assert not lies_in(part, to_local(part.end + timedelta(hours=3), BUCHAREST), BUCHAREST)


def test_a_slice_that_has_not_ended_is_left_open() -> None:
    part = Slice(AUTUMN, AUTUMN + timedelta(days=1))
    asked = window(part, NAMES, BUCHAREST, part.end - timedelta(seconds=1))
    assert asked == {"createdAfter": "2026-10-24 23:00:00"}


def test_a_slice_that_has_not_ended_has_an_end_while_an_hour_comes_for_the_second_time() -> None:
    """At 03:30 again, an open end would hide what came at 03:45 for the first time."""
    part = Slice(AUTUMN, AUTUMN + timedelta(days=1))
    again = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    hours = [again + timedelta(hours=each) for each in (-1, 0, 1)]
    asked = [window(part, NAMES, BUCHAREST, now).get("createdBefore") for now in hours]
    assert asked == [None, "2026-10-25 04:30:00", None]
