"""The line that `emag-flows up` shows: a time on it is told from one of another day."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from flows.cli.up import status_line
from flows.up import House
from integrations.ledger.pulse import Standing

NOON = datetime(2026, 3, 4, 12).astimezone()


@pytest.mark.parametrize(
    ("last", "shown"),
    [
        (NOON - timedelta(hours=1), "last success 11:00:00"),
        (NOON - timedelta(hours=13), "last success 2026-03-03 23:00:00"),
        (None, "last success none in 24 h"),
    ],
)
def test_the_last_success_says_its_day_unless_it_was_today(
    last: datetime | None, shown: str
) -> None:
    house = House(standing=Standing(2, 1, 0, 3, changes=0, last_success=last))

    line = status_line(house, NOON)

    assert line.endswith(f"2 pending, 1 waiting, 3 refused · {shown}")
