"""The line that `emag-flows up` shows: what matters first, and times told from another day's."""

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
        (NOON - timedelta(hours=13), "last success 2026-03-03 23:00"),
        (None, "last success none in 24 h"),
    ],
)
def test_the_last_success_says_its_day_unless_it_was_today(
    last: datetime | None, shown: str
) -> None:
    house = House(standing=Standing(2, 1, 0, 3, changes=0, last_success=last))

    line = status_line(house, NOON)

    assert line.startswith(f"3 refused · 2 pending, 1 waiting · {shown} · ")


def test_a_narrow_terminal_shows_what_needs_a_person() -> None:
    """The widest that three-digit counts make it, while eMAG does not answer."""
    house = House(
        standing=Standing(123, 123, 123, 123, changes=0, last_success=NOON),
        prefect_url="http://127.0.0.1:4200",
        api_url="http://127.0.0.1:8000",
    )
    well = status_line(house, NOON)
    house.vitals.trouble("main", "eMAG, account main").why = "it answers with errors, as a gateway"
    down = status_line(house, NOON)

    assert well[:80].startswith(
        "123 refused, 123 in doubt · 123 pending, 123 waiting · last success"
    )
    assert well.index("last success 12:00:00") + len("last success 12:00:00") <= 80
    assert down[:80].startswith(
        "123 refused, 123 in doubt · down: eMAG, account main · 123 pending"
    )
    assert "eMAG, account main: it answers with errors, as a gateway" in down
    assert down.endswith("Prefect http://127.0.0.1:4200 · endpoints http://127.0.0.1:8000")
