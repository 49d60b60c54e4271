"""What automations may wait for: events about deadlines and rows, free of customers' data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC

from flows.deadlines import REMEDIES, subject_of
from flows.untold import Told
from integrations.ledger.books import State
from integrations.ledger.deadlines import About, Deadline

_ENTITIES: Mapping[About, str] = {
    About.RETURN: "return",
    About.DOCUMENT: "order",
    About.WISH: "order",
}

_ROW_EVENTS: Mapping[State, str] = {
    State.REFUSED: "emag.row.refused",
    State.IN_DOUBT: "emag.row.in_doubt",
}


@dataclass(frozen=True)
class Event:
    """Something that happened to a resource, like `emag.return.52000077`."""

    name: str
    resource: str
    payload: Mapping[str, str | int]


def deadline_events(alarms: Iterable[Deadline]) -> list[Event]:
    """An event for each alarm that is to be told."""
    return [
        Event(
            "emag.deadline",
            f"emag.{_ENTITIES[alarm.about]}.{alarm.subject}",
            {
                "platform": alarm.platform,
                "account": alarm.account,
                "about": alarm.about.value,
                "subject": alarm.subject,
                "what": subject_of(alarm),
                "remedy": REMEDIES[alarm.about],
                "due_at": alarm.due_at.astimezone(UTC).isoformat(),
            },
        )
        for alarm in alarms
    ]


def asking_event(run_id: str, question: str) -> Event:
    """A run is about to wait for a person, and silent from now on: it has not been killed.

    Prefect's own event of that can come before the run's last sign of life, or a quarter of an
    hour late; this one takes the same way as the signs of life, and so comes after them.
    """
    return Event("emag.run.asks", f"prefect.flow-run.{run_id}", {"question": question})


def row_events(told: Iterable[Told]) -> list[Event]:
    """An event for each row that is to be told."""
    return [
        Event(
            _ROW_EVENTS[each.problem.state],
            f"emag.{each.problem.kind.value}.{each.problem.row_id}",
            {
                "account": each.account,
                "kind": each.problem.kind.value,
                "row_id": each.problem.row_id,
                "reason": each.problem.reason,
            },
        )
        for each in told
    ]
