"""A PostgreSQL for one test alone, which is stopped and started again at the same address."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from integrations.embedded import EmbeddedError, embedded, postmaster

# A commit survives the server's death without waiting for the disk; only the machine must not die.
OPTIONS: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """The server whose files lie under `home`, and its address, which stays."""

    home: Path
    url: str
    options: Mapping[str, str]

    @property
    def pid(self) -> int | None:
        """The process that serves, if one does."""
        running = postmaster.running(self.home)
        return running.pid if running else None

    def restart(self, how: signal.Signals) -> None:
        """Stop it, SIGINT: ending its sessions, SIGQUIT: as if it had crashed; and start it."""
        running = postmaster.running(self.home)
        assert running is not None
        if how is signal.SIGINT:
            postmaster.stop(self.home, running)
        else:
            os.kill(running.pid, how)
        self._start()

    def _start(self) -> None:
        """Start it as soon as the last session of the one before is gone."""
        latest = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < latest:
            if postmaster.running(self.home) is None:
                with suppress(EmbeddedError):
                    postmaster.start(self.home, self.options)
                    return
            time.sleep(0.05)
        raise TimeoutError(f"PostgreSQL under {self.home} did not come back")


@contextmanager
def serving_postgres(home: Path) -> Iterator[Server]:
    """A running server in a new folder, stopped at the end."""
    sockets = Path(tempfile.mkdtemp(prefix="emag-kills-", dir="/tmp"))
    sockets.chmod(0o777)  # PostgreSQL does not run as root, and makes its socket there
    options = {**OPTIONS, "unix_socket_directories": f'"{sockets}"'}
    try:
        with embedded(home, **options) as url:
            yield Server(home.resolve(), url, options)
    finally:
        shutil.rmtree(sockets)
