"""The times of the protocol hold the relations it stands on."""

from __future__ import annotations

import pytest

from integrations.ledger.timings import Timings


def test_the_defaults_hold() -> None:
    assert Timings().surely_dead == 150.0


@pytest.mark.parametrize(
    ("changes", "relation"),
    [
        ({"quiet": 61.0}, "quiet <= quiet_cap"),
        ({"deadline": 0.0}, "0 < deadline"),
        ({"probe_deadline": 0.0}, "0 < probe_deadline"),
        ({"settle": -1.0}, "0 <= settle"),
        ({"renew": 45.0}, "2 * renew < lease"),
        ({"copy_age": 90.0}, "copy_age < lease"),
        ({"budget_wait": 60.0}, "budget_wait < lease - renew"),
        ({"slot_tolerance": 30.0}, "slot_tolerance < deadline"),
        ({"backoff_first": 30000.0}, "backoff_first <= backoff_most"),
    ],
)
def test_times_that_contradict_each_other_are_named(
    changes: dict[str, float], relation: str
) -> None:
    with pytest.raises(ValueError, match="contradict") as raised:
        Timings(**changes)
    assert relation in str(raised.value)
