"""`emag-flows up`: everything on this machine, from nothing, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from flows.cli.console import begin, console
from flows.cli.interruption import INTERRUPTED
from integrations.logs import configure
from integrations.settings import Settings

if TYPE_CHECKING:
    from flows.up import House

# On a terminal the line is counted anew this often, elsewhere printed this often (seconds).
REFRESH, REPORT = 5.0, 60.0

Port = Annotated[
    int | None, typer.Option(help="Prefect's port; 4200, or a free one.", min=1, max=65535)
]
ApiPort = Annotated[
    int | None,
    typer.Option("--api-port", help="The endpoints' port; 8000, or a free one.", min=1, max=65535),
]


def up(port: Port = None, api_port: ApiPort = None) -> int:
    """Run database, Prefect, worker, endpoints and the resident loops on this machine."""
    settings = begin()
    return asyncio.run(_up(console(), settings, port, api_port))


async def _up(screen: Console, settings: Settings, port: int | None, api_port: int | None) -> int:
    from flows.api import told_callbacks
    from flows.exposure import complaints
    from flows.up import keep_house

    begun, begun_all = time.monotonic(), asyncio.Event()
    stopping = _on_signals(begun_all)
    if os.environ.get("PREFECT_API_URL"):
        screen.print("PREFECT_API_URL is set: not used, since this brings a Prefect of its own")

    for complaint in complaints(settings):
        screen.print(complaint, soft_wrap=True)
    for line in told_callbacks(settings):
        screen.print(f"callbacks of eMAG's go to {line}", soft_wrap=True)

    def say(what: str) -> None:
        screen.print(f"  {what} ({time.monotonic() - begun:.1f} s)", soft_wrap=True)

    every = REFRESH if screen.is_terminal else REPORT
    try:
        async with keep_house(say, port, api_port, count_every=every) as house:
            begun_all.set()
            screen.print("Ctrl-C ends it; what is under way is finished, and a new start goes on.")
            await (_live if screen.is_terminal else _lines)(screen, house, stopping)
            screen.print("ending ...")
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
        return INTERRUPTED
    screen.print("ended: nothing of it is running any more")
    return 0


def _on_signals(begun: asyncio.Event) -> asyncio.Event:
    """Set at Ctrl-C or SIGTERM; what has not begun yet then is given up."""
    stopping = asyncio.Event()
    main = asyncio.current_task()
    assert main is not None

    def on_signal() -> None:
        stopping.set()
        if not begun.is_set():
            main.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    return stopping


async def _live(screen: Console, house: House, stopping: asyncio.Event) -> None:
    """One line that stays at the bottom of the terminal."""
    with Live(_line_now(house), console=screen, auto_refresh=False, transient=True) as live:
        configure()  # the log goes above the line from now on
        while not await _stopped(stopping, 1.0):
            live.update(Text(_line_now(house), overflow="ellipsis", no_wrap=True), refresh=True)


async def _lines(screen: Console, house: House, stopping: asyncio.Event) -> None:
    """A line every minute, the first as soon as everything is there."""
    while not (house.prefect_url and house.api_url and house.standing):
        if await _stopped(stopping, 0.5):
            return
    screen.print(_line_now(house), soft_wrap=True)
    while not await _stopped(stopping, REPORT):
        screen.print(_line_now(house), soft_wrap=True)


async def _stopped(stopping: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True


def _line_now(house: House) -> str:
    return status_line(house, datetime.now(UTC))


def status_line(house: House, now: datetime) -> str:
    """What needs a person, what does not answer, the other rows, the last success, the rest.

    In this order, since a terminal shows as much of it as is wide enough.
    """
    rows, parts = house.standing, []
    if rows is not None:
        doubt = f", {rows.in_doubt} in doubt" if rows.in_doubt else ""
        parts.append(f"{rows.refused} refused{doubt}")
    down = [each.what for each in house.vitals.troubles.values() if each.why]
    if down:
        parts.append(f"down: {', '.join(down)}")
    if rows is not None:
        parts.append(f"{rows.pending} pending, {rows.waiting} waiting")
        last = _moment(rows.last_success, now) if rows.last_success else "none in 24 h"
        parts.append(f"last success {last}")
    parts += house.vitals.complaints
    parts.append(f"Prefect {house.prefect_url or 'starting'}")
    parts.append(f"endpoints {house.api_url or 'starting'}")
    return " · ".join(parts)


def _moment(moment: datetime, now: datetime) -> str:
    """In this host's zone; a time of another day would look like one that is still to come."""
    local, today = moment.astimezone(), now.astimezone().date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M}"
