"""What automations may wait for: an event for each alarm, and for each row that needs a person."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from flows.deadlines import REMEDIES
from flows.events import Event, deadline_events, row_events
from flows.report import Problem
from flows.untold import Told
from integrations.erp.rows import Kind
from integrations.ledger.books import State
from integrations.ledger.deadlines import About, Deadline

DUE = datetime(2026, 11, 28, 0, 0, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("about", "subject", "resource", "what"),
    [
        (
            *(About.RETURN, "52000077", "emag.return.52000077"),
            "return 52000077 of order 480000101",
        ),
        (About.DOCUMENT, "480000101", "emag.order.480000101", "invoice of order 480000101"),
        (About.WISH, "480000101", "emag.order.480000101", "wish to cancel order 480000101"),
    ],
)
def test_a_deadline_names_the_return_or_order_and_what_to_do(
    about: About, subject: str, resource: str, what: str
) -> None:
    alarm = Deadline("emag-ro", "main", about, subject, 480000101, DUE)

    assert deadline_events([alarm]) == [
        Event(
            "emag.deadline",
            resource,
            {
                "platform": "emag-ro",
                "account": "main",
                "about": about.value,
                "subject": subject,
                "what": what,
                "remedy": REMEDIES[about],
                "due_at": "2026-11-27T22:00:00+00:00",
            },
        )
    ]


def test_a_row_that_was_refused_or_is_in_doubt_is_named_with_its_reason() -> None:
    refused = Problem(Kind.RMA, 12, State.REFUSED, "Order 5 is not known at eMAG.", "https://e/5")
    doubtful = Problem(Kind.RMA, 13, State.IN_DOUBT, "The answer was lost.")

    found = row_events([Told("main", refused), Told("", doubtful)])

    assert [(each.name, each.resource) for each in found] == [
        ("emag.row.refused", "emag.rma.12"),
        ("emag.row.in_doubt", "emag.rma.13"),
    ]
    assert found[0].payload == {
        "account": "main",
        "kind": "rma",
        "row_id": 12,
        "reason": "Order 5 is not known at eMAG.",
    }
