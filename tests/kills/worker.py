"""A process of its own: one run of a sync, which may die at a named point or have a wrong clock.

    python -m tests.kills.worker ERRAND

ERRAND is the JSON of an `Errand`. The run is the flow's own, configured by its environment; only
its times are shorter than an operator could set them.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Self

from flows import shop
from flows.cancellation import sync_cancellations
from flows.invoice import sync_invoices
from flows.parameters import CancellationParameters, Direction
from flows.report import Report
from flows.rma import sync_returns
from integrations.emag.routes import LIMITS
from integrations.erp.rows import Kind
from integrations.ledger.points import Point, listening
from integrations.ledger.timings import Timings

SYNCS: Mapping[Kind, Callable[[CancellationParameters], Awaitable[Sequence[Report]]]] = {
    Kind.RMA: sync_returns,
    Kind.CANCELLATION: sync_cancellations,
    Kind.INVOICE: sync_invoices,
}


OURS = frozenset({"flows", "tasks", "integrations"})


@dataclass(frozen=True)
class Errand:
    """What a worker is to do.

    Attributes:
        kind, account, direction: of the rows that it carries.
        environment, folder: its settings, and its working directory, which holds no `.env`.
        timings: its times by name, in seconds; what is left out is as in production.
        dies_at, visit: the point at which it kills itself, and at which visit there.
        rate: how many requests it may send in a second, where eMAG does not count them.
        clock_error: by how many seconds its clock is wrong.
    """

    kind: Kind
    account: str
    environment: Mapping[str, str]
    folder: str
    timings: Mapping[str, float]
    dies_at: Point | None = None
    visit: int = 1
    rate: float | None = None
    clock_error: float = 0.0
    direction: Direction = Direction.OUT

    def to_json(self) -> str:
        """As a process of its own takes it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The errand that somebody was sent on."""
        given = json.loads(text)
        dies_at = Point(given["dies_at"]) if given["dies_at"] else None
        named = {"kind": Kind(given["kind"]), "direction": Direction(given["direction"])}
        return cls(**{**given, **named, "dies_at": dies_at})


def work(errand: Errand) -> None:
    """Run the sync once, in this process, which is none that anybody else needs."""
    os.chdir(errand.folder)
    os.environ.update(errand.environment)
    timings = Timings(**errand.timings)
    vars(shop)["Timings"] = lambda **_: timings
    if errand.rate:
        LIMITS.update(dict.fromkeys(LIMITS, errand.rate))
    if errand.clock_error:
        _set_clocks_wrong(errand.clock_error)
    with _dying(errand):
        asyncio.run(_run(errand))


async def _run(errand: Errand) -> None:
    await SYNCS[errand.kind](
        CancellationParameters(account=errand.account, direction=errand.direction)
    )


def _dying(errand: Errand) -> AbstractContextManager[None]:
    left = errand.visit

    async def die(point: Point) -> None:
        nonlocal left
        left -= point is errand.dies_at
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return listening(die) if errand.dies_at else nullcontext()


def _set_clocks_wrong(error: float) -> None:
    """Let this host's clocks, as far as our modules look at them, be wrong by so many seconds.

    What counts from the boot does so as if that were now: a clock that is behind shows less than 0.
    """
    right, since_boot, begun = time.time, time.monotonic, time.monotonic()

    class WrongDatetime(metaclass=_LikeDatetime):
        @staticmethod
        def now(tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=error)

    ours = [each for name, each in sys.modules.items() if name.partition(".")[0] in OURS]
    for module in ours:
        if vars(module).get("datetime") is datetime:
            vars(module)["datetime"] = WrongDatetime
    time.time = lambda: right() + error
    time.monotonic = lambda: since_boot() - begun + error


class _LikeDatetime(type):
    """Of classes that stand for `datetime` and make none but its own: orjson takes no others."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)

    def __call__(cls, *args: Any, **more: Any) -> Any:
        return datetime(*args, **more)  # noqa: DTZ001 - whoever calls says it

    def __getattr__(cls, name: str) -> Any:
        return getattr(datetime, name)


if __name__ == "__main__":
    work(Errand.from_json(sys.argv[1]))
