"""Where the HTTP endpoints listen."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

import pytest

from flows.listening import listening, listening_here


def has_ipv6() -> bool:
    """Whether this machine can be reached by IPv6, if only by itself."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


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


@pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 here")
def test_a_free_port_is_the_same_on_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """On many hosts localhost has two, whatever it has on this one."""
    both = [(socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0, 0, 0))]
    monkeypatch.setattr("flows.listening._addresses", lambda *_: both)

    with listening("localhost", 0) as listeners:
        ports = [listener.getsockname()[1] for listener in listeners]

    assert len(ports) == 2
    assert ports[0] == ports[1] != 0
