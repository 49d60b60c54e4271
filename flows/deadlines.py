"""Deadlines in words: what is due, when, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

from integrations.ledger.deadlines import About, Clocks, Deadline

SUBJECTS: Mapping[About, str] = {
    About.RETURN: "returns to finalize",
    About.DOCUMENT: "orders without an invoice",
    About.WISH: "wishes to cancel",
}

REMEDIES: Mapping[About, str] = {
    About.RETURN: "complete or reject the return in the ERP, or finalize it in eMAG's panel",
    About.DOCUMENT: "issue the order's invoice in the ERP, with its PDF in pdf_url",
    About.WISH: (
        "approve the order's cancellation in the ERP, or reject it and ship only then: a pending"
        " one is sent by the next run, unless EMAG_CANCELLATIONS_REQUIRE_APPROVAL is true"
    ),
}


def subject_of(deadline: Deadline) -> str:
    """What is due: `return 52000077 of order 480000101`."""
    match deadline.about:
        case About.RETURN:
            order = f" of order {deadline.order_id}" if deadline.order_id else ""
            return f"return {deadline.subject}{order}"
        case About.DOCUMENT:
            return f"invoice of order {deadline.subject}"
        case About.WISH:
            return f"wish to cancel order {deadline.subject}"


def due_text(deadline: Deadline) -> str:
    """What is due and until when, in this host's zone."""
    return f"{subject_of(deadline)} due {deadline.due_at.astimezone():%Y-%m-%d %H:%M %Z}"


def counts_text(clocks: Clocks) -> str:
    """How much is late and how much is due soon."""
    return (
        f"{clocks.late} late, {clocks.within_24_hours} due within 24 h,"
        f" {clocks.within_72_hours} within 72 h"
    )
