"""What automations may wait for: events about deadlines and rows, free of customers' data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

from flows.report import Report
from integrations.ledger.books import State
from integrations.ledger.deadlines import About, Deadline

# A flood of events would reach nobody sooner: the run's table holds all rows.
MOST = 200

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
                "due_at": alarm.due_at.astimezone(UTC).isoformat(),
            },
        )
        for alarm in alarms
    ]


def row_events(reports: Sequence[Report]) -> list[Event]:
    """An event for each row that a run refused or left in doubt, once a row, at most 200."""
    events = {
        (problem.state, problem.kind, problem.row_id): Event(
            _ROW_EVENTS[problem.state],
            f"emag.{problem.kind.value}.{problem.row_id}",
            {
                "account": report.account,
                "kind": problem.kind.value,
                "row_id": problem.row_id,
                "reason": problem.reason,
            },
        )
        for report in reports
        for problem in report.problems
        if problem.state in _ROW_EVENTS
    }
    return list(events.values())[:MOST]
