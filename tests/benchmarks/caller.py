"""A process of its own that asks for one address at fixed instants, whether answers come or not.

    python -m tests.benchmarks.caller PORT PATH RATE SECONDS

Each answer is timed from the instant at which its request was due: a server that stalls is late
for everybody who would have asked meanwhile, too. Prints the seconds of all, in no order, and its
own CPU time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 "
LEAD = 0.5


@dataclass
class Caller:
    """Connections that are kept open, and how long the answers took."""

    port: int
    path: str
    idle: list[tuple[StreamReader, StreamWriter]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    connections: int = 0

    async def ask(self, due: float) -> None:
        """Ask on a connection that nobody waits on, a new one where there is none."""
        reader, writer = self._kept() or await self._connect()
        writer.write(f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(OK):
            raise SystemExit(head.decode())
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
        await reader.readexactly(int(length))
        self.seconds.append(time.perf_counter() - due)
        self.idle.append((reader, writer))

    def _kept(self) -> tuple[StreamReader, StreamWriter] | None:
        """A connection that the server has not closed after its time without a request."""
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    async def _connect(self) -> tuple[StreamReader, StreamWriter]:
        self.connections += 1
        return await asyncio.open_connection("127.0.0.1", self.port)


async def call(port: int, path: str, rate: float, seconds: float) -> Caller:
    """Ask at every instant, and wait for all answers."""
    caller = Caller(port, path)
    begin = time.perf_counter() + LEAD
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = begin + number / rate
            await asyncio.sleep(due - time.perf_counter())
            group.create_task(caller.ask(due))
    return caller


def main() -> None:
    """Call, and print what came of it."""
    port, path, rate, seconds = sys.argv[1:]
    caller = asyncio.run(call(int(port), path, float(rate), float(seconds)))
    told = {
        "answers": caller.seconds,
        "connections": caller.connections,
        "cpu_seconds": time.process_time(),
    }
    print(json.dumps(told), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
