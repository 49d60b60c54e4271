"""A Prefect server of one's own for a while: on a loopback port, its data in a given folder.

Run as a program it is that server, or a worker of it. It hangs on its standard input like on a
leash: when whoever started it is gone, however that came about, the input ends and it with it.
"""

from __future__ import annotations

import asyncio
import os
import runpy
import signal
import socket
import sys
import sysconfig
import threading
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import httpx

from flows.garbage import look_aside, look_seldom

APPLICATION = "prefect.server.api.server:create_app"
START_SECONDS = 90.0
STOP_SECONDS = 10.0

# How long a worker's runs may take to end in order, and then the worker itself.
RUN_STOP_SECONDS, WORKER_STOP_SECONDS = 4.0, 4.0

HOME = Path(__file__).resolve().parents[1]


class PrefectServerError(RuntimeError):
    """The Prefect server did not start; the text is one line naming its log."""


def settings_for(home: Path, api_url: str | None = None) -> dict[str, str]:
    """Prefect's environment for a server, or for a client of the server at `api_url`."""
    settings = {
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # Prefect asks at every schedule for all zones: tzdata lists them, a system has folders.
        "PYTHONTZPATH": "",
    }
    if api_url is None:
        database = f"sqlite+aiosqlite:///{home / 'prefect.db'}"
        return {**settings, "PREFECT_SERVER_DATABASE_CONNECTION_URL": database}
    return {**settings, "PREFECT_API_URL": api_url}


def server_settings(port: int) -> dict[str, str]:
    """What a server needs beside `settings_for`; old events and runs go by themselves."""
    return {
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_UI_API_URL": f"http://127.0.0.1:{port}/api",
        # Clients learn it from the API's address; the server sends the notifications' links.
        "PREFECT_UI_URL": f"http://127.0.0.1:{port}",
        # The newer interface has no button to answer a question of a suspended run.
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "3d",
        # In memory, the default, a slot that was held when the server stopped is held for ever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
    }


@asynccontextmanager
async def prefect_server(
    home: Path, port: int | None = None, stop_seconds: float = STOP_SECONDS
) -> AsyncIterator[str]:
    """The API address of a server that lives as long as the block, on a free port without one.

    It writes only under `home`, never to `~/.prefect`. Raises PrefectServerError.
    """
    port = port or free_port()
    process = await start_server(home, port)
    try:
        url = f"http://127.0.0.1:{port}/api"
        await await_ready(process, url, home / "server.log")
        yield url
    finally:
        await stop(process, stop_seconds)


async def start_server(home: Path, port: int, listener: socket.socket | None = None) -> Process:
    """Start the server's process; `await_ready` says when it answers.

    With a `listener` on the port nobody else can take it, not even while the server is away.
    """
    variables = {**settings_for(home), **server_settings(port)}
    handed = [] if listener is None else [listener.fileno()]
    return await _start(home, "server.log", variables, "server", str(port), handed=handed)


async def start_worker(home: Path, variables: Mapping[str, str], pool: str) -> Process:
    """Start a worker of a pool with these variables in its environment and its runs'."""
    return await _start(home, "worker.log", variables, "worker", pool)


async def _start(
    home: Path,
    log: str,
    variables: Mapping[str, str],
    *arguments: str,
    handed: Sequence[int] = (),
) -> Process:
    with _open_log(home / log) as file:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flows.prefect_server", *arguments, *map(str, handed)),
            pass_fds=handed,
            env=environment(variables),
            cwd=home,  # no settings of Prefect's lie there, nor anybody's modules
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=file,
            start_new_session=True,  # a Ctrl-C in the terminal is for us: we stop it in order
        )


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """A child's environment: ours without what it says of another Prefect, and these variables."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**ours, **_importable(), **variables}


def _importable() -> dict[str, str]:
    """What lets a child import this very package, which need not be installed."""
    if Path(sysconfig.get_path("purelib")).resolve() == HOME:
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(HOME), os.environ.get("PYTHONPATH")]))}


def _open_log(file: Path) -> BinaryIO:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.open("ab")


async def await_ready(process: Process, url: str, log: Path) -> None:
    """Wait until the server answers. Raises PrefectServerError where it doesn't start."""
    deadline = time.monotonic() + START_SECONDS
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline and process.returncode is None:
            try:
                if (await client.get(f"{url}/health")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise PrefectServerError(f"the Prefect server did not start; see {log}")


async def stop(process: Process, seconds: float = STOP_SECONDS) -> None:
    """Ask a process to end, and end it when it has not after this long."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()


async def stop_worker(process: Process) -> None:
    """Ask a worker's runs to end, then the worker; what is left after that is ended.

    A worker that is asked itself kills its runs at once: Prefect would show them as Running.
    """
    runs = descendants(process.pid)
    _signal(runs, signal.SIGTERM)
    for _ in range(int(RUN_STOP_SECONDS / 0.1)):
        runs = sorted({*runs} & {*descendants(process.pid)})
        if not runs:
            break
        await asyncio.sleep(0.1)
    await stop(process, WORKER_STOP_SECONDS)
    for sent in (signal.SIGTERM, signal.SIGKILL):
        _signal(runs, sent)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
            await asyncio.sleep(1)


def descendants(ancestor: int) -> list[int]:
    """Processes below one, whatever their session: Prefect gives every run its own.

    None where there is no /proc to tell them.
    """
    below = defaultdict(list)
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            _, parent, *_ = file.read_text().rpartition(")")[2].split()
            below[int(parent)].append(int(file.parent.name))
    found = [ancestor]
    for each in found:
        found += below[each]
    return found[1:]


def _signal(processes: Iterable[int], sent: signal.Signals) -> None:
    for each in processes:
        with suppress(ProcessLookupError):
            os.kill(each, sent)


def free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _serve(port: str, listener: str | None = None) -> None:
    """Serve on the port, or on a socket that whoever started us has bound to it."""
    look_aside()
    import uvicorn

    config = uvicorn.Config(
        APPLICATION,
        factory=True,
        host="127.0.0.1",
        port=int(port),
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    sockets = None if listener is None else [socket.socket(fileno=int(listener))]
    uvicorn.Server(config).run(sockets)


def _work(pool: str) -> None:
    look_seldom()
    sys.argv = ["prefect", "worker", "start", "--pool", pool, "--type", "process"]
    sys.argv += ["--install-policy", "never"]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


def _end_with_starter() -> None:
    """When the input ends, everybody goes: the runs of a worker, too."""
    while os.read(0, 1024):  # sys.stdin would be locked at the interpreter's end
        pass
    runs = descendants(os.getpid())
    _signal(runs, signal.SIGTERM)
    os.killpg(os.getpgrp(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    _signal(runs, signal.SIGKILL)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _main(what: str, *arguments: str) -> None:
    threading.Thread(target=_end_with_starter, daemon=True).start()
    (_work if what == "worker" else _serve)(*arguments)


if __name__ == "__main__":
    _main(*sys.argv[1:])
