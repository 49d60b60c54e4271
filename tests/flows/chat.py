"""Where notifications arrive: a chat's webhook, on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

# Long beyond anything that has to be waited for.
PATIENCE = 120.0


@dataclass(frozen=True)
class Message:
    """What a person reads."""

    subject: str
    body: str

    def fits(self, subject: str, about: str) -> bool:
        """Whether it has this subject and speaks of something."""
        return self.subject == subject and about in self.body


@dataclass
class Chat:
    """The messages so far, in the order in which they came to `url`."""

    url: str = ""
    messages: list[Message] = field(default_factory=list)

    async def all_of(self, subject: str, about: str = "") -> list[str]:
        """The messages with this subject that speak of something, once there are any."""
        for _ in range(int(PATIENCE / 0.1)):
            if found := [each for each in self.messages if each.fits(subject, about)]:
                return [each.body for each in found]
            await asyncio.sleep(0.1)
        raise AssertionError(f"nobody was told {subject!r} about {about!r}: {self.messages}")

    async def await_message(self, subject: str, about: str = "") -> str:
        """The first message with this subject that speaks of something."""
        return (await self.all_of(subject, about))[0]


@contextmanager
def open_chat() -> Iterator[Chat]:
    """A chat that takes messages as long as the block lasts, whatever event loop runs."""
    chat = Chat()

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chat.messages.append(Message(**sent))
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        chat.url = f"http://127.0.0.1:{server.server_port}/"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        yield chat
        server.shutdown()
