"""Everything on one machine, from nothing: database, Prefect server, worker, endpoints, residents.

Prefect's parts are processes of their own, which hang on us like on a leash. The resident loops and
the endpoints live here: they carry on when Prefect's parts don't.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import psycopg

from flows.database import DatabaseUnreachableError, open_database
from flows.deploy import Outcome
from flows.embedded import keep_running
from flows.listening import listening_here
from flows.prefect_server import (
    PrefectServerError,
    await_ready,
    environment,
    settings_for,
    start_server,
    start_worker,
    stop,
    stop_worker,
)
from flows.resident import Trouble, Vitals, in_short, reside
from integrations.ledger.pulse import Standing, standing
from integrations.settings import ConfigurationError, Settings, load_settings

if TYPE_CHECKING:
    from integrations.embedded import Embedded

log = logging.getLogger("emag.up")

PREFECT_PORT, API_PORT = 4200, 8000
LOOPBACK = "127.0.0.1"
POOL = "emag"

# The Prefect server keeps what is worth keeping in files as soon as it happens.
SERVER_STOP_SECONDS = 5.0

Say = Callable[[str], None]

# What `emag-flows deploy --json` prints.
Done = Sequence[Mapping[str, str]]


@dataclass
class House:
    """What is up so far, and where.

    Attributes:
        prefect_url, api_url: what a browser opens; empty until it answers.
        standing: where the rows stood when they were last counted.
        vitals: of the resident loops.
    """

    prefect_url: str = ""
    api_url: str = ""
    standing: Standing | None = None
    vitals: Vitals = field(default_factory=Vitals)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def keep_house(
    say: Say, prefect_port: int | None, api_port: int | None, *, count_every: float
) -> AsyncIterator[House]:
    """Start everything and keep it running for as long as the block runs.

    Args:
        say: told what was started, in a line each.
        prefect_port, api_port: ports to listen on; None: the usual one, or a free one where that
            is taken.
        count_every: seconds between two counts of the rows.

    Raises:
        ConfigurationError, EmbeddedError, DatabaseUnreachableError, UpgradeError: there is nothing
            to work with.
        ConfigurationError, PrefectServerError: a part can't start.
        ExceptionGroup: of an EmbeddedError: the embedded database has ended, and can't be started.
    """
    settings = load_settings()
    settings.chosen("all")
    house = House()
    async with AsyncExitStack() as stack:
        stack.enter_context(_alone(settings.data_dir))
        prefect = stack.enter_context(listening_here("--port", prefect_port, PREFECT_PORT))
        api = stack.enter_context(listening_here("--api-port", api_port, API_PORT))
        embedded = await _start_embedded(settings, stack, say)
        settings = await _set_up_database(settings, embedded, say)
        parts = [
            _part("the resident loops", reside(house.vitals, stopping=house.stopping)),
            _part("the status line", _count(settings, house, count_every)),
            _part("the HTTP endpoints", _serve_api(settings, house, api)),
            _part("Prefect", _keep_prefect(settings, house, prefect, say)),
        ]
        say("the resident loops carry what the ERP decides from now on")
        stack.push_async_callback(_end, parts, house)
        needed = await stack.enter_async_context(asyncio.TaskGroup())
        if embedded:
            needed.create_task(keep_running(embedded, house.stopping))
        yield house
        house.stopping.set()


def _part(name: str, running: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A part that none of the others ends with."""

    async def run() -> None:
        try:
            await running
        except Exception:
            log.exception("%s ended by a fault of emag-flows itself", name)

    return asyncio.create_task(run())


async def _end(parts: list[asyncio.Task[None]], house: House) -> None:
    """Let each part end by itself, all at once."""
    house.stopping.set()
    await asyncio.gather(*parts)


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """One at a time keeps house on a data folder: two Prefect servers would share a database."""
    folder = data_dir.expanduser().resolve()
    with _lock_file(folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                "EMAG_DATA_DIR",
                f"another `emag-flows up` is running on {folder}",
                "use that one, or set another folder",
            ) from None
        yield


def _lock_file(folder: Path) -> TextIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / "up.lock").open("w")
    except OSError as error:
        raise ConfigurationError(
            "EMAG_DATA_DIR",
            f"nothing can be kept in {folder} ({error.strerror})",
            "set another folder, or let whoever runs this write into it",
        ) from None


async def _start_embedded(settings: Settings, stack: AsyncExitStack, say: Say) -> Embedded | None:
    """The embedded database, where no other is configured."""
    if settings.database_url is not None:
        return None
    from integrations.embedded import start_embedded

    embedded = await asyncio.to_thread(start_embedded, settings.data_dir)
    stack.callback(embedded.stop)
    say(f"PostgreSQL, embedded: {embedded.url}")
    return embedded


async def _set_up_database(settings: Settings, embedded: Embedded | None, say: Say) -> Settings:
    """Migrate the seller's database, or the embedded one; the settings that name it.

    All parts stay with it, whatever `.env` says later.
    """
    from migrations.run import upgrade

    url = embedded.url if embedded else settings.database_url
    assert url is not None
    os.environ["DATABASE_URL"] = url
    await asyncio.to_thread(upgrade, url)
    say("the database is set up")
    return load_settings()


async def _count(settings: Settings, house: House, every: float) -> None:
    """Count the rows again and again; while the database is away, the last count stands."""
    while not house.stopping.is_set():
        try:
            async with open_database(settings) as engine:
                while not house.stopping.is_set():
                    house.standing = await standing(engine)
                    await _pause(house, every)
        except (psycopg.Error, DatabaseUnreachableError):
            await _pause(house, every)


async def _serve_api(settings: Settings, house: House, listener: socket.socket) -> None:
    """Serve the HTTP endpoints on this machine, callbacks among them."""
    from flows.api import make_server, open_context, up_to_date
    from integrations.web.app import create_app

    trouble = Trouble("the HTTP endpoints")
    while not house.stopping.is_set():
        try:
            async with open_context(settings) as context:
                app = create_app(context)
                server = make_server(app, LOOPBACK, 0)
                server.capture_signals = nullcontext  # type: ignore[assignment,method-assign]
                serving = asyncio.create_task(server.serve(sockets=[listener.dup()]))
                house.api_url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
                trouble.ends()
                stopping = asyncio.create_task(house.stopping.wait())
                async with up_to_date(app, settings, LOOPBACK):
                    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                server.should_exit = True
                await serving
        except (psycopg.Error, DatabaseUnreachableError, OSError) as error:
            trouble.begins(in_short(error))
        house.api_url = ""
        await _pause(house, trouble.pause)


async def _keep_prefect(
    settings: Settings, house: House, listener: socket.socket, say: Say
) -> None:
    """Keep a Prefect server and a worker running; what ends by itself is started again."""
    home = settings.data_dir.expanduser().resolve() / "prefect"
    trouble = Trouble("Prefect")
    said = False

    def works(url: str, done: Done) -> None:
        nonlocal said
        trouble.ends()
        if not said:
            _say_deployed(say, url, done)
        said = True

    while not house.stopping.is_set():
        try:
            await _run_prefect(settings, house, home, listener, works)
            if not house.stopping.is_set():
                trouble.begins(f"its server or worker has ended; see {home}")
        except PrefectServerError as error:
            trouble.begins(str(error))
        house.prefect_url = ""
        await _pause(house, trouble.pause)


async def _run_prefect(
    settings: Settings,
    house: House,
    home: Path,
    listener: socket.socket,
    works: Callable[[str, Done], None],
) -> None:
    """A server with our deployments and a worker of them, until one ends or all is to end."""
    port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    variables = _variables(settings, home, url)
    server = await start_server(home, port, listener)
    try:
        ready = asyncio.create_task(await_ready(server, url, home / "server.log"))
        if not await _or_stopping(house, ready):
            return
        deploying = asyncio.create_task(_deploy(variables, home))
        if not await _or_stopping(house, deploying):
            return
        worker = await start_worker(home, variables, POOL)
        house.prefect_url = url.removesuffix("/api")
        works(house.prefect_url, deploying.result())
        try:
            ends = [asyncio.create_task(each.wait()) for each in (server, worker)]
            await _or_stopping(house, *ends)
        finally:
            await stop_worker(worker)
    finally:
        await stop(server, SERVER_STOP_SECONDS)


async def _or_stopping(house: House, *tasks: asyncio.Task[Any]) -> bool:
    """Wait for the first of the tasks; False where all is to end before."""
    stopping = asyncio.create_task(house.stopping.wait())
    done, open_ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for task in open_:
        task.cancel()
    await asyncio.gather(*open_, return_exceptions=True)
    for task in done - {stopping}:
        task.result()
    return bool(done - {stopping})


async def _deploy(variables: Mapping[str, str], home: Path) -> Done:
    """Bring our deployments to the server, in a process of its own: it has to load Prefect.

    What it has done is printed even where it ends with a complaint about something missing.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", "deploy", "--json"),
        env=environment(variables),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        await stop(process, 1.0)
        raise
    if not out:
        (home / "deploy.log").write_bytes(err)
        last = err.decode(errors="replace").strip().splitlines()[-1:]
        raise PrefectServerError(last[0] if last else f"see {home / 'deploy.log'}")
    done: Done = json.loads(out)
    return done


def _say_deployed(say: Say, url: str, done: Done) -> None:
    outcomes = [each["outcome"] for each in done if each["outcome"] != Outcome.MISSING]
    counts = ", ".join(f"{outcomes.count(each)} {each}" for each in sorted(set(outcomes)))
    say(f"Prefect with its deployments: {url} ({counts})")
    for each in done:
        if each["outcome"] == Outcome.MISSING:
            say(f"missing there: EMAG_NOTIFY_BLOCK={each['name']}; {each['detail']}")


def _variables(settings: Settings, home: Path, api_url: str) -> dict[str, str]:
    """What this shop's runs need in their environment; `.env` they read in the shop's folder."""
    return {
        **settings_for(home, api_url),
        "DATABASE_URL": settings.database_url or "",
        "EMAG_DATA_DIR": str(settings.data_dir.expanduser().resolve()),
        "EMAG_LOG_FILE": str(settings.log_file.expanduser().resolve()),
        "EMAG_FLOWS_HOME": str(Path.cwd()),
    }


async def _pause(house: House, seconds: float) -> None:
    if seconds > 0:
        try:
            async with asyncio.timeout(seconds):
                await house.stopping.wait()
        except TimeoutError:
            return
