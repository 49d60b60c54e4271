"""The process that stores what a backfill reads: `python -m integrations.sync.storing_process`.

It takes its `Outfit` and then jobs from its standard input, and answers on its standard output.
Nobody but the end of its input ends it: signals that are meant for whoever started it may reach
it, too.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from integrations.emag.client import open_client
from integrations.ledger.engine import Engine
from integrations.sync.channel import Channel
from integrations.sync.plan_cancellations import Policy
from integrations.sync.receipt import Receipt
from integrations.sync.storing import StoringError
from integrations.sync.storing_messages import (
    Failed,
    Job,
    Outfit,
    Said,
    Stored,
    framed,
    next_message,
)
from integrations.sync.streams import Take, streams

# By how much others come before it.
NICE = 10

# Pages are many objects and no garbage.
GARBAGE = 50_000

Say = Callable[[Any], None]


def main() -> None:
    """Store until the input ends."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICE)
    gc.freeze()
    gc.set_threshold(GARBAGE)
    asyncio.run(_work(_mouth()))


def _mouth() -> Say:
    """What says a message on the standard output, which nothing else writes to from now on."""
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def say(message: Any) -> None:
        left = memoryview(framed(message))
        while left:
            left = left[output.write(left) or 0 :]

    return say


async def _work(say: Say) -> None:
    source = await _input()
    outfit: Outfit | None = await next_message(source)
    if outfit is None:
        return
    logging.basicConfig(handlers=[_Passing(say)], level=logging.WARNING)
    logging.getLogger("emag").setLevel(outfit.log_level)
    engine = Engine(outfit.database_url)
    try:
        async with open_client(outfit.account) as client:
            channel = Channel(
                account=outfit.account,
                accounts=outfit.accounts,
                client=client,
                engine=engine,
                schema=outfit.schema,
                timings=outfit.timings,
                policy=Policy(outfit.return_days, outfit.reasons),
                gate=asyncio.Semaphore(1),
                holder="storing",
            )
            await _serve(channel, source, say)
    finally:
        engine.close()


async def _input() -> asyncio.StreamReader:
    source = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(source), sys.stdin.buffer
    )
    return source


async def _serve(channel: Channel, source: asyncio.StreamReader, say: Say) -> None:
    """Do jobs, as many at once as are asked for; those under way end with the input."""
    takes = {stream.name: stream.take for stream in streams(channel)}
    under_way: set[asyncio.Task[None]] = set()
    while (job := await next_message(source)) is not None:
        task = asyncio.create_task(_do(channel, takes, job, say))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)


async def _do(channel: Channel, takes: Mapping[str, Take], job: Job, say: Say) -> None:
    receipt = Receipt()
    try:
        page = job.page.page()
        await takes[job.stream](channel, page, job.clock, receipt)
    except Exception as error:
        where = "".join(traceback.format_tb(error.__traceback__))
        say(Failed(job.number, _portable(error), where))
    else:
        say(Stored(job.number, len(page.rows), receipt))


def _portable(error: Exception) -> Exception:
    """The error as it is, where it can be sent; what it says, where not."""
    with suppress(Exception):
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made in this very line
        if type(copy) is type(error):
            return error
    return StoringError(f"{type(error).__name__}: {error}")


class _Passing(logging.Handler):
    """Passes what is logged on to whoever started this process."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Without a traceback: that could hold a row's values."""
        with suppress(OSError):
            self._say(Said(record.name, record.levelno, record.getMessage()))


if __name__ == "__main__":
    main()
