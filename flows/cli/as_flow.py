"""A command's work as a flow run; where the Prefect server goes away, it is done all the same.

The story's own end counts: Prefect only records it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flows.cli.interruption import say_interrupted
from flows.ending import ENDING, Ending
from integrations.logs import redact

Ended = TypeVar("Ended")

# Once is 2 s, Prefect's own five times a minute, for each of its last requests.
RETRIES = "1"

# How long a command that is told to stop may take, whatever Prefect still wants to send.
STOP_SECONDS = 8.0

# Prefect's loggers of what happens in a run; that goes to its server and to our log file, too.
RUNS = ("prefect.flow_runs", "prefect.task_runs")

# Where Prefect says that it could not send what happened, event by event.
SENDING = (
    "prefect._internal.concurrency",
    "prefect.events.clients",
    "EventsWorker",
    "APILogWorker",
)

_gone = threading.Event()


def prepare() -> None:
    """Keep Prefect short and quiet about a server that goes away: the command says it itself."""
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", RETRIES)
    logging.raiseExceptions = False  # else its log worker writes to standard error
    for handler in logging.getLogger().handlers:
        if getattr(handler, "stream", None) is sys.stderr:
            handler.addFilter(_is_no_end_of_a_run)
    for name in SENDING:
        logging.getLogger(name).addFilter(_is_critical)  # Prefect sets levels itself


def _is_no_end_of_a_run(record: logging.LogRecord) -> bool:
    return record.levelno < logging.ERROR or not record.name.startswith(RUNS)


def _is_critical(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.CRITICAL


async def as_flow(
    flow_run: Callable[[], Awaitable[Ended]], directly: Callable[[], Awaitable[Ended]]
) -> Ended:
    """What the story in a flow run has brought about, whether or not Prefect can record it.

    Where Prefect refuses before the story began, it is told directly. The command is to end with
    `leave`.

    Raises:
        PrefectServerError: the server went away and took the story with it.
    """
    ending = Ending(on_begin=_own_sigterm())
    ENDING.set(ending)
    try:
        return await _bounded(flow_run(), ending)
    except Exception as error:
        if not (_is_prefects(error) or (not ending.begun and _is_refusal(error))):
            raise
        return await _without(error, ending, directly)


async def _without(
    error: Exception, ending: Ending, directly: Callable[[], Awaitable[Ended]]
) -> Ended:
    from flows.prefect_server import PrefectServerError

    _gone.set()
    if not ending.begun:
        _say(f"{_what_happened(error)}: running directly, without Prefect")
        return await directly()
    if ending.error is not None and not _is_prefects(ending.error):
        raise ending.error
    if ending.result is None:
        raise PrefectServerError(
            f"{_what_happened(error)}: repeat the command, which goes on where this one stopped"
        )
    _say(f"{_what_happened(error)}: the work is done, but this run's end is not recorded there")
    result: Ended = ending.result
    return result


async def _bounded(flow_run: Awaitable[Ended], ending: Ending) -> Ended:
    """Await the run; once it is interrupted the process ends in seconds, come what may."""
    run = asyncio.ensure_future(flow_run)
    try:
        await asyncio.wait({run})
    except asyncio.CancelledError:
        _end_within(STOP_SECONDS)
        run.cancel()
        await asyncio.wait({run})
        if not run.cancelled():
            run.exception()  # that of a server that is gone, which need not be told now
        if ending.result is None:
            raise
        result: Ended = ending.result
        return result
    return run.result()


def _own_sigterm() -> Callable[[], None]:
    """Puts the command's answer to SIGTERM back, when Prefect has put its own in its place."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    ours = signal.getsignal(signal.SIGTERM)

    def put_back() -> None:
        signal.signal(signal.SIGTERM, ours)

    return put_back


def _end_within(seconds: float) -> None:
    def end() -> None:
        _exit(say_interrupted())

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def leave(code: int) -> int:
    """The command's exit code; without a server, it ends here: Prefect would try for minutes."""
    if _gone.is_set():
        _exit(code)
    return code


def _exit(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _is_prefects(error: BaseException) -> bool:
    """Whether Prefect's server failed; what fails at eMAG or its database has errors of its own."""
    import httpx

    return isinstance(error, httpx.TransportError | httpx.HTTPStatusError)


def _is_refusal(error: BaseException) -> bool:
    """Whether Prefect found before a run that it can't work with its server."""
    return type(error) is RuntimeError or type(error).__module__ == "prefect.exceptions"


def _what_happened(error: Exception) -> str:
    import httpx

    what = "went away" if isinstance(error, httpx.TransportError) else f"failed ({error})"
    address = os.environ.get("PREFECT_API_URL", "")
    return " ".join(redact(f"the Prefect server at {address} {what}").split())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
