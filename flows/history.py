"""The backfill: what happened at eMAG before, read slice by slice and brought into the ERP."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from flows.parameters import BackfillParameters
from flows.shop import Shop, open_channel, open_shop
from flows.wording import counted
from integrations.emag.accounts import Account
from integrations.ledger.arrivals import Brought
from integrations.ledger.budget import BudgetBusyError
from integrations.sync.ask import ReadRefusedError
from integrations.sync.backfill import Course, Watch
from integrations.sync.outage import OutageError
from integrations.sync.probe import probe_all_if_down
from integrations.sync.receipt import Receipt
from tasks.backfill import find_what_is_left, read_history

log = logging.getLogger("emag.backfill")

MOST_PROBLEMS = 200


@dataclass
class History:
    """One account's backfill; `unreachable` says why eMAG could not be worked with."""

    account: str
    since: date
    until: date
    started_at: datetime
    seconds: float = 0.0
    courses: Sequence[Course] = ()
    receipt: Receipt = field(default_factory=Receipt)
    requests: Mapping[str, int] = field(default_factory=dict)
    throttled: int = 0
    waited: float = 0.0
    unreachable: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether all of the history is stored."""
        return all(course.is_done for course in self.courses)

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What was given up or could not be stored, and why."""
        given_up = [(each.stream.called, each.problem) for each in self.courses if each.problem]
        return given_up + [
            (f"{each.kind.value} {each.emag_id}", each.reason) for each in self.receipt.parked
        ]

    @property
    def brought(self) -> Counter[Brought]:
        """What became of the news."""
        return sum(self.receipt.brought.values(), Counter[Brought]())

    @property
    def exit_code(self) -> int:
        """0 all stored, 1 something for a person, 3 eMAG unreachable, credentials refused."""
        if self.unreachable:
            return 3
        return 1 if self.problems else 0

    def to_json(self) -> dict[str, Any]:
        """The object that `backfill --json` prints."""
        shown: dict[str, Any] = {
            "flow": "backfill",
            "account": self.account,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "started_at": self.started_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "done": self.is_done,
            "history": {
                each.stream.name: {
                    "slices": len(each.slices),
                    "stored": each.stored,
                    "stored_before": each.resumed,
                    "rows": each.rows,
                }
                for each in self.courses
            },
            "received": {each.value: self.brought[each] for each in Brought},
            "requests": dict(self.requests),
            "throttled": self.throttled,
            "waited": round(self.waited, 3),
            "problems": [{"about": about, "reason": reason} for about, reason in self.problems],
        }
        if self.unreachable:
            shown["unreachable"] = self.unreachable
        return shown


def by_slices(tell: Callable[[str], None]) -> Watch:
    """Tell in a line where each part of the history begins, and of every slice that is stored."""
    told: dict[tuple[str, str], int] = {}

    def watch(course: Course) -> None:
        key = course.account, course.stream.name
        if told.get(key) != course.stored:
            tell(_progress(course) if key in told else _beginning(course))
            told[key] = course.stored

    return watch


def _beginning(course: Course) -> str:
    part, slices = f"{course.account}: {course.stream.called}", len(course.slices)
    if not course.resumed:
        return f"{part}: {counted(slices, 'slice')} to read"
    if course.is_done:
        return f"{part}: all {slices} slices were stored before"
    return (
        f"{part}: goes on where it stopped, after {course.reached}"
        f" ({course.resumed} of {slices} slices were stored before)"
    )


def _progress(course: Course) -> str:
    return (
        f"{course.account}: {course.stream.called}: stored up to {course.reached},"
        f" {course.stored} of {len(course.slices)} slices, {counted(course.rows, 'row')}"
    )


async def fill_history(parameters: BackfillParameters, watch: Watch | None = None) -> list[History]:
    """Bring the chosen accounts' history in, as background work; their histories in order.

    Args:
        watch: is told of every part that has got on; without one, the log is.

    Raises:
        ConfigurationError, DatabaseUnreachableError: there is nothing to work with.
    """
    watch = watch or by_slices(log.info)
    async with open_shop(parameters.account) as shop:
        filling = (_fill(shop, account, parameters, watch) for account in shop.accounts)
        return list(await asyncio.gather(*filling))


async def _fill(
    shop: Shop, account: Account, parameters: BackfillParameters, watch: Watch
) -> History:
    began = time.monotonic()
    history = History(account.name, parameters.since, parameters.until, datetime.now(UTC))
    in_flight = parameters.max_in_flight
    async with open_channel(shop, account, in_flight, background=True) as channel:
        courses = await find_what_is_left(channel, parameters.since, parameters.until)
        history.courses = courses
        for course in courses:
            watch(course)
        try:
            await probe_all_if_down(channel)
            await read_history(channel, courses, parameters.max_in_flight, history.receipt, watch)
        except (OutageError, BudgetBusyError, ReadRefusedError) as stopped:
            history.unreachable = str(stopped)
        history.seconds = time.monotonic() - began
        history.requests = dict(channel.tally.requests)
        history.throttled, history.waited = channel.tally.throttled, channel.tally.waited
        return history


def history_table(histories: Sequence[History]) -> list[dict[str, Any]]:
    """A line for each part of the history, then a line for each problem."""
    return [
        {
            "account": history.account,
            "what": course.stream.called,
            "rows": course.rows,
            "slices": f"{course.stored} of {len(course.slices)}",
            "reason": course.problem or "",
        }
        for history in histories
        for course in history.courses
    ] + [
        {
            "account": history.account,
            "what": f"{parked.kind.value} {parked.emag_id}",
            "rows": 1,
            "slices": "",
            "reason": parked.reason,
        }
        for history in histories
        for parked in history.receipt.parked[:MOST_PROBLEMS]
    ]
