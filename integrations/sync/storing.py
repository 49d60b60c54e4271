"""Store in a process of its own, with lower priority: requests to eMAG leave at their instants.

In one process, storing hundreds of rows a second would make its requests late, and what a late
request leaves of the request budget is lost. Where processors are short, storing is to fall behind
instead, and what was read waits.

The process hangs on its standard input like on a leash: when whoever started it is gone, however
that came about, the input ends and it with it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from integrations.emag.accounts import Account
from integrations.ledger.clock import Clock
from integrations.sync.channel import Channel
from integrations.sync.packed import PackedPage
from integrations.sync.receipt import Receipt
from integrations.sync.storing_messages import (
    Failed,
    Job,
    Outfit,
    Said,
    Stored,
    framed,
    next_message,
)

log = logging.getLogger("emag.backfill")

MODULE = "integrations.sync.storing_process"

# How long, in seconds, the process may take to end in order.
END_SECONDS = 10.0


class StoringError(Exception):
    """The process that stores has failed, or has ended before its time."""


@dataclass
class Storage:
    """The process that stores, and what it has been given to do."""

    process: Process
    _jobs: dict[int, asyncio.Future[Stored]] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)
    _ended: StoringError | None = None

    async def store(self, stream: str, page: PackedPage, clock: Clock, receipt: Receipt) -> int:
        """Store a page of the stream with this name, and tell the receipt; how many rows it has.

        Raises:
            StoringError: the process has ended; and whatever error storing met there.
        """
        if self._ended:
            raise self._ended
        number = next(self._numbers)
        job: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        self._jobs[number] = job
        try:
            await self.say(Job(number, stream, page, clock))
            stored = await job
        finally:
            del self._jobs[number]
        _add(receipt, stored.receipt)
        return stored.rows

    async def say(self, message: Any) -> None:
        """Send a message; where nobody is left to hear it, `listen` finds that out."""
        assert self.process.stdin
        with suppress(ConnectionError):
            self.process.stdin.write(framed(message))
            await self.process.stdin.drain()

    async def listen(self) -> None:
        """Take what the process says, until it ends; then jobs that are left have failed."""
        assert self.process.stdout
        try:
            while (message := await next_message(self.process.stdout)) is not None:
                self._take(message)
        finally:
            self._ended = StoringError(
                "the process that stores what was read ended before its time"
                f" ({_how(await _end(self.process))}): repeat the backfill, which goes on behind"
                " what is stored"
            )
            for job in self._jobs.values():
                if not job.done():
                    job.set_exception(self._ended)

    def _take(self, message: Stored | Failed | Said) -> None:
        if isinstance(message, Said):
            logging.getLogger(message.logger).log(message.level, "%s", message.text)
            return
        job = self._jobs.get(message.number)
        if job is None or job.done():
            return
        if isinstance(message, Failed):
            message.error.add_note(message.where)
            job.set_exception(message.error)
        else:
            job.set_result(message)


@asynccontextmanager
async def storing(channel: Channel) -> AsyncIterator[Storage]:
    """A process that stores what this channel's account has, for as long as the block runs."""
    storage = Storage(await _start())
    listening = asyncio.create_task(storage.listen())
    try:
        await storage.say(_outfit(channel))
        yield storage
    finally:
        if storage.process.stdin:
            storage.process.stdin.close()
        await _end(storage.process)
        await listening


async def _start() -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", MODULE),
        env={**os.environ, "PYTHONPATH": _modules()},
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,  # a traceback would go over a progress bar, and could hold a row's values
        start_new_session=True,  # a Ctrl-C in the terminal is for us: we end it in order
    )


def _modules() -> str:
    """Where this process finds modules; with -P none are found that lie where it was started."""
    return os.pathsep.join(str(Path(each).absolute()) for each in sys.path)


def _outfit(channel: Channel) -> Outfit:
    return Outfit(
        account=_without_password(channel.account),
        accounts={name: _without_password(each) for name, each in channel.accounts.items()},
        database_url=channel.engine.url,
        schema=channel.schema,
        timings=channel.timings,
        return_days=channel.policy.return_days,
        reasons=dict(channel.policy.reasons),
        log_level=logging.getLogger("emag").getEffectiveLevel(),
    )


def _without_password(account: Account) -> Account:
    return replace(account, password=SecretStr(""), rates=dict(account.rates))


def _add(receipt: Receipt, more: Receipt) -> None:
    receipt.read += more.read
    receipt.changed += more.changed
    receipt.parked += more.parked
    for kind, brought in more.brought.items():
        receipt.brought.setdefault(kind, Counter()).update(brought)


async def _end(process: Process) -> int:
    """Let a process end whose input has ended, or which has fallen silent; its exit code."""
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        log.warning("the process that stores what was read did not end and was killed")
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    return await process.wait()


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
