"""A PostgreSQL for those who bring none: started on demand, shared, stopped by its last user."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from integrations.embedded.errors import EmbeddedError
from integrations.embedded.postmaster import Server, running, start, stop

__all__ = ["Embedded", "EmbeddedError", "embedded", "start_embedded"]

LOCK = "embedded.lock"


@dataclass(frozen=True)
class Embedded:
    """A running embedded server as one of its users sees it.

    `url` is a libpq URL of the superuser over a private Unix socket.
    """

    url: str
    _home: Path
    _options: Mapping[str, str]
    _release: ExitStack

    @property
    def is_running(self) -> bool:
        """Whether it listens at its address."""
        server = running(self._home)
        return server is not None and server.url == self.url

    def start_again(self) -> None:
        """Start it on the same files and at the same address, where it has ended by itself.

        Raises EmbeddedError in one line.
        """
        with _explained(self._home), _locked(self._home / LOCK):
            server = _running_or_started(self._home, self._options)
        if server.url != self.url:
            raise EmbeddedError(f"it runs at another address than before, {server.url}")

    def stop(self) -> None:
        """Leave the server; the last user stops it. Safe to call twice."""
        self._release.close()


def start_embedded(data_dir: Path, **options: str) -> Embedded:
    """Join the PostgreSQL whose files lie under `data_dir`; create and start it where needed.

    Any number of processes may do so at once: they share one server, and a user that was
    killed counts no more (its lock went with it). `options` are server settings used if this
    call is the one that starts it. Raises EmbeddedError in one line.
    """
    with _explained(data_dir):
        home = _home(data_dir)
        with _locked(home / LOCK):
            server = _running_or_started(home, options)
            users = (home / "embedded.users").open("w")
            fcntl.flock(users, fcntl.LOCK_SH)
    release = ExitStack()
    release.callback(_leave, home, users)
    return Embedded(server.url, home, options, release)


@contextmanager
def embedded(data_dir: Path, **options: str) -> Iterator[str]:
    """The URL of the embedded server, used for as long as the block runs."""
    server = start_embedded(data_dir, **options)
    try:
        yield server.url
    finally:
        server.stop()


def _home(data_dir: Path) -> Path:
    home = data_dir.expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    return home


def _running_or_started(home: Path, options: Mapping[str, str]) -> Server:
    return running(home) or start(home, options)


@contextmanager
def _explained(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedError(
            f"under {data_dir}: {error}", "EMAG_DATA_DIR to a folder that can be written"
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _leave(home: Path, users: IO[str]) -> None:
    with _locked(home / LOCK), users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if server := running(home):
            stop(home, server)
