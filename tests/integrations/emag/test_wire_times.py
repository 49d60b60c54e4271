"""eMAG's times: naive, local, and twice a year strange."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.emag.wire import to_local, to_utc

BUCHAREST = ZoneInfo("Europe/Bucharest")
BUDAPEST = ZoneInfo("Europe/Budapest")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2026-03-10 14:21:05", BUCHAREST, utc(2026, 3, 10, 12, 21, 5)),
        ("2026-07-10 14:21:05", BUCHAREST, utc(2026, 7, 10, 11, 21, 5)),
        ("2026-07-10 14:21:05", BUDAPEST, utc(2026, 7, 10, 12, 21, 5)),
        (" 2026-03-10 14:21:05 ", BUCHAREST, utc(2026, 3, 10, 12, 21, 5)),
        ("2026-03-10", BUCHAREST, utc(2026, 3, 9, 22)),
        ("2026-03-10T14:21:05+00:00", BUCHAREST, utc(2026, 3, 10, 14, 21, 5)),
        (1773152465, BUCHAREST, utc(2026, 3, 10, 14, 21, 5)),
        ("1773152465", BUCHAREST, utc(2026, 3, 10, 14, 21, 5)),
    ],
)
def test_a_local_time_becomes_utc(text: object, zone: ZoneInfo, moment: datetime) -> None:
    read = to_utc(text, zone)
    assert read == moment
    assert read is not None
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "nothing",
    [
        *(None, "", "  ", [], {}, 0, "0", True, 1.5, "soon", "0000-00-00 00:00:00"),
        *("2026-02-30 10:00:00", "0001-01-01 00:00:00", 10**18, "9" * 19),
    ],
)
def test_what_is_no_time_is_none(nothing: object) -> None:
    assert to_utc(nothing, BUCHAREST) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-10-25 02:59:59", utc(2026, 10, 24, 23, 59, 59)),
        ("2026-10-25 03:00:00", utc(2026, 10, 25, 0)),
        ("2026-10-25 03:59:59", utc(2026, 10, 25, 0, 59, 59)),
        ("2026-10-25 04:00:00", utc(2026, 10, 25, 2)),
    ],
)
def test_in_autumn_the_hour_that_comes_twice_is_the_earlier_one(
    text: str, moment: datetime
) -> None:
    assert to_utc(text, BUCHAREST) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-29 02:59:59", utc(2026, 3, 29, 0, 59, 59)),
        ("2026-03-29 03:00:00", utc(2026, 3, 29, 1)),
        ("2026-03-29 03:30:00", utc(2026, 3, 29, 1, 30)),
        ("2026-03-29 04:00:00", utc(2026, 3, 29, 1)),
    ],
)
def test_in_spring_the_missing_hour_counts_on_from_before_it(text: str, moment: datetime) -> None:
    assert to_utc(text, BUCHAREST) == moment


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (utc(2026, 3, 29, 0, 59, 59), "2026-03-29 02:59:59"),
        (utc(2026, 3, 29, 1), "2026-03-29 04:00:00"),
        (utc(2026, 10, 25, 0, 30), "2026-10-25 03:30:00"),
        (utc(2026, 10, 25, 1, 30), "2026-10-25 03:30:00"),
        (datetime(2026, 3, 10, 9, tzinfo=timezone(timedelta(hours=-3))), "2026-03-10 14:00:00"),
        (utc(2026, 3, 10, 12).replace(microsecond=999999), "2026-03-10 14:00:00"),
    ],
)
def test_a_moment_is_written_as_emags_filters_want_it(moment: datetime, text: str) -> None:
    assert to_local(moment, BUCHAREST) == text


def test_a_naive_time_is_never_taken_for_a_moment() -> None:
    with pytest.raises(ValueError, match="must carry its zone"):
        to_local(datetime(2026, 3, 10), BUCHAREST)  # noqa: DTZ001


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)),  # noqa: DTZ001
    st.sampled_from([BUCHAREST, BUDAPEST, ZoneInfo("Europe/Sofia")]),
)
def test_a_moment_survives_the_way_there_and_back_but_for_the_repeated_hour(
    naive: datetime, zone: ZoneInfo
) -> None:
    moment = naive.replace(microsecond=0, tzinfo=UTC)
    back = to_utc(to_local(moment, zone), zone)
    repeated = moment.astimezone(zone).fold == 1
    assert back == (moment - timedelta(hours=1) if repeated else moment)
