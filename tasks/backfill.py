"""Backfill: find out what of the history is left, then read and store it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from integrations.ledger.calls import close_dead_calls
from integrations.sync.backfill import Course, Watch, backfill, open_courses
from integrations.sync.channel import Channel
from integrations.sync.receipt import Receipt
from tasks.step import step


@step("open-courses", pauses=(1, 5, 15))
async def find_what_is_left(channel: Channel, since: date, until: date) -> list[Course]:
    """The account's history between two days, with what an earlier run has stored of it."""
    await close_dead_calls(channel.engine)
    return await open_courses(channel, since, until)


@step("read-history", pauses=(5, 15, 60))
async def read_history(
    channel: Channel, courses: Sequence[Course], in_flight: int, receipt: Receipt, watch: Watch
) -> None:
    """Read what is left of the courses and store it.

    A repetition is safe: it goes on behind the slices that were stored.
    """
    await backfill(channel, courses, in_flight, receipt, watch)
