"""A Prefect server of one's own for a while: on a free loopback port, its data in a given folder.

Run as a program it is that server. It hangs on its standard input like on a leash: when whoever
started it is gone, however that came about, the input ends and the server with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import httpx

APPLICATION = "prefect.server.api.server:create_app"
START_SECONDS = 90.0
STOP_SECONDS = 10.0


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
    }
    if api_url is None:
        database = f"sqlite+aiosqlite:///{home / 'prefect.db'}"
        return {**settings, "PREFECT_SERVER_DATABASE_CONNECTION_URL": database}
    return {**settings, "PREFECT_API_URL": api_url}


@asynccontextmanager
async def prefect_server(home: Path) -> AsyncIterator[str]:
    """The API address of a server that lives as long as the block.

    It writes only under `home`, never to `~/.prefect`. Raises PrefectServerError.
    """
    port = _free_port()
    process = await _start(home, port)
    try:
        url = f"http://127.0.0.1:{port}/api"
        await _await_ready(process, url, home / "server.log")
        yield url
    finally:
        await _stop(process)


async def _start(home: Path, port: int) -> Process:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with _open_log(home) as log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flows.prefect_server", str(port)),
            env={**ours, **settings_for(home)},
            cwd=Path(__file__).parents[1],
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=log,
            start_new_session=True,  # a Ctrl-C in the terminal is for us: we stop it in order
        )


def _open_log(home: Path) -> BinaryIO:
    home.mkdir(parents=True, exist_ok=True)
    return (home / "server.log").open("ab")


async def _await_ready(process: Process, url: str, log: Path) -> None:
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


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _serve(port: int) -> None:
    import uvicorn

    threading.Thread(target=_end_with_starter, daemon=True).start()
    uvicorn.run(
        APPLICATION,
        factory=True,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )


def _end_with_starter() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
