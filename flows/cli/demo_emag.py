"""The demo's eMAG: a sandbox in a process of its own, whose clock does not wait for our flows."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import Any, Concatenate, ParamSpec, TypeVar

from integrations.sandbox.market import Market
from integrations.sandbox.server import serving
from integrations.sandbox.switches import Switches

P = ParamSpec("P")
R = TypeVar("R")

END_SECONDS = 5.0


@dataclass(frozen=True)
class Emag:
    """A sandbox in another process: where it answers, and a way to work on its market there."""

    url: str
    _pipe: Connection

    def do(self, work: Callable[Concatenate[Market, P], R], *args: P.args, **_: P.kwargs) -> R:
        """Call a function with the market and these arguments, in the sandbox's process.

        Raises:
            RuntimeError: the function failed there.
        """
        self._pipe.send((work, args))
        result, problem = self._pipe.recv()
        if problem is not None:
            raise RuntimeError(f"the sandbox's process: {problem}")
        done: R = result
        return done


@contextmanager
def emag_apart(answer_seconds: float) -> Iterator[Emag]:
    """An empty eMAG that takes so long to answer; it ends with the block, or with this process.

    A process of multiprocessing's own would leave its tracker behind for a moment.
    """
    ours, theirs = Pipe()
    pipe = theirs.fileno()
    command = [sys.executable, "-P", "-m", __name__, str(pipe), str(answer_seconds)]
    with _no_interrupts():
        process = subprocess.Popen(command, pass_fds=[pipe])
    theirs.close()
    try:
        yield Emag(ours.recv(), ours)
    finally:
        ours.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """A process that is started here ignores Ctrl-C from its first moment on."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(pipe: Connection, answer_seconds: float) -> None:
    """Serve until the other end of the pipe is closed; a Ctrl-C is its business, not ours."""
    with suppress(EOFError):
        asyncio.run(_serve_market(pipe, Market(Switches(answer_seconds=answer_seconds))))


async def _serve_market(pipe: Connection, market: Market) -> None:
    async with serving(market) as url:
        pipe.send(url)
        while True:
            work, args = await asyncio.to_thread(pipe.recv)
            pipe.send(await asyncio.to_thread(_done, work, market, args))


def _done(
    work: Callable[..., Any], market: Market, args: tuple[Any, ...]
) -> tuple[Any, str | None]:
    try:
        return work(market, *args), None
    except Exception as error:  # told to the other process, which raises it
        return None, f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])), float(sys.argv[2]))
