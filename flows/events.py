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
    """A run waits for a person, and is silent from now on: it has not been killed.

    Prefect looks at several events at once, so this one can come before a sign of life that was
    sent earlier, and is for nothing then: it has to be sent again.
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
