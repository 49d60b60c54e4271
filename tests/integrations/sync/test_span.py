"""Local days in a row, as they are compared."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from integrations.sync.span import Span

BUCHAREST = ZoneInfo("Europe/Bucharest")


def day(number: int) -> date:
    return date(2026, 10, number)


@pytest.mark.parametrize("days", [1, 2, 7, 27, 28, 29])
def test_parts_and_halves_hold_each_day_once(days: int) -> None:
    span = Span(day(1), day(days))

    parts = [each for part in span.parts(7) for each in part.each()]
    assert parts == list(span.each())
    assert len(parts) == days
    if days > 1:
        left, right = span.halves()
        assert [*left.each(), *right.each()] == parts


def test_the_day_on_which_the_clocks_go_back_has_25_hours() -> None:
    span = Span(day(25), day(25))

    begins, ends = span.begins(BUCHAREST), span.ends(BUCHAREST)

    assert begins == datetime(2026, 10, 24, 21, tzinfo=UTC)
    assert ends == datetime(2026, 10, 25, 22, tzinfo=UTC)
