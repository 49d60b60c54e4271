"""A window of time in parts that eMAG takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.sync.windows import SLICE, slices

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)


def days(count: float) -> timedelta:
    return timedelta(days=count)


class TestSlices:
    def test_a_short_window_to_now_has_an_open_end(self) -> None:
        assert list(slices(NOW - days(3), None, NOW)) == [(NOW - days(3), None)]

    def test_a_window_that_ends_in_the_past_has_an_end(self) -> None:
        window = (NOW - days(3), NOW - days(1))
        assert list(slices(*window, NOW)) == [window]

    def test_a_window_that_ends_in_the_future_has_an_open_end(self) -> None:
        assert list(slices(NOW - days(3), NOW + days(1), NOW)) == [(NOW - days(3), None)]

    @pytest.mark.parametrize("length", [27, 27.5, 54, 100, 366])
    def test_a_long_window_has_no_gap_and_no_part_that_is_too_long(self, length: float) -> None:
        parts = list(slices(NOW - days(length), None, NOW))
        assert parts[0][0] == NOW - days(length)
        assert [end for _, end in parts[:-1]] == [start for start, _ in parts[1:]]
        assert all((end or NOW) - start <= SLICE for start, end in parts)
        assert parts[-1][1] is None
