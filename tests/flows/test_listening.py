"""Where the HTTP endpoints listen."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

import pytest

from flows.listening import listening, listening_here


@pytest.fixture(params=["api", "up"])
def listeners(request: pytest.FixtureRequest) -> Iterator[Sequence[socket.socket]]:
    """Sockets as each of the two commands opens them."""
    if request.param == "api":
        with listening("127.0.0.1", 0) as opened:
            yield opened
    else:
        with listening_here("--api-port", None, 0) as one:
            yield [one]


def test_an_answer_is_not_held_back_until_its_first_part_is_acknowledged(
    listeners: Sequence[socket.socket],
) -> None:
    for listener in listeners:
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
