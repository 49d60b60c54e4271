"""Sockets to listen on, or one line that says why there can be none."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from integrations.settings import ConfigurationError

BACKLOG = 2048

# How often another free port is looked for.
TRIES = 10

Address = tuple[socket.AddressFamily, Any]

# One of a name's addresses may be of a kind that this machine has not, such as IPv6.
NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


@contextmanager
def listening(host: str, port: int) -> Iterator[Sequence[socket.socket]]:
    """Sockets on all addresses of a host, on the same port; 0 stands for a free one.

    Raises ConfigurationError where that can't be had.
    """
    addresses = _addresses(host, port)
    with ExitStack() as stack:
        listeners = _listen_on_all(host, port, addresses)
        for each in listeners:
            stack.enter_context(each)
        yield listeners


def _listen_on_all(
    host: str, port: int, addresses: Sequence[Address], tries: int = TRIES
) -> Sequence[socket.socket]:
    listeners: list[socket.socket] = []
    refused = 0
    for family, (name, _, *rest) in addresses:
        wanted = listeners[0].getsockname()[1] if listeners else port
        try:
            listeners.append(_listener((name, wanted, *rest), family))
        except OSError as problem:
            refused = problem.errno or 0
            if refused in NOT_HERE:
                continue
            for each in listeners:
                each.close()
            if port == 0 and refused == errno.EADDRINUSE and tries:  # free on the first alone
                return _listen_on_all(host, port, addresses, tries - 1)
            raise _cannot_listen(host, wanted, refused) from None
    if not listeners:
        raise _cannot_listen(host, port, refused)
    return listeners


def _listener(address: Any, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    """A socket whose connections send at once: a loop leaves that to those that it opens itself.

    An answer's body would else wait 40 ms for the other side to have acknowledged its head.
    """
    listener = socket.create_server(address, family=family, backlog=BACKLOG)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _addresses(host: str, port: int) -> Sequence[Address]:
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):
        raise ConfigurationError(
            "--host", f"{host} does not resolve", "name an address of this machine"
        ) from None
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _cannot_listen(host: str, port: int, problem: int) -> ConfigurationError:
    if problem in NOT_HERE:
        return ConfigurationError(
            "--host", f"{host} is not an address of this machine", "name one that is"
        )
    if problem == errno.EADDRINUSE:
        return ConfigurationError("--port", f"somebody listens on port {port}", "name another")
    return ConfigurationError("--port", f"port {port}: {os.strerror(problem)}", "name another")


@contextmanager
def listening_here(option: str, wanted: int | None, usual: int) -> Iterator[socket.socket]:
    """A socket on the wanted loopback port; without a wish, on the usual one or a free one.

    Raises ConfigurationError where the wanted one is taken.
    """
    try:
        listener = _listener(("127.0.0.1", wanted or usual))
    except OSError:
        if wanted:
            raise ConfigurationError(
                option, f"somebody listens on port {wanted}", "name another, or leave it out"
            ) from None
        listener = _listener(("127.0.0.1", 0))
    with listener:
        yield listener
