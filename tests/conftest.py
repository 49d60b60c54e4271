"""What every test may ask for: a database of its own, a sandbox of eMAG, an account there."""

from __future__ import annotations

import fcntl
import functools
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import pytest

from integrations.embedded import start_embedded
from integrations.ledger.engine import Engine
from tests import databases
from tests.compiling import compile_all

if TYPE_CHECKING:
    from integrations.emag.accounts import Account
    from integrations.sandbox.market import Market

pytest_plugins = ["tests.end_to_end.fault_table"]

SHARED_FOLDER = "TESTS_FOLDER"
TEMPLATE = "template_emag_{:%Y%m%d}"
USERNAME, PASSWORD = "seller@example.com", "secret"

# What a developer may ask of the tests themselves.
FOR_TESTS = frozenset({"EMAG_MODEL_STEPS", "EMAG_MODEL_IN_STEPS", "EMAG_MODEL_SEED"})

# The share of the tests among which the long ones are.
WITH_LONG_ONES = 3 / 4

# A test database needs to survive nothing, so it need not wait for the disk. Nobody cleans up in it
# either: that takes locks and changes plans, at moments of its own.
THROWAWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
    "autovacuum": "off",
}

# Among what happens at the process's end: multiprocessing removes a folder of its own within ours.
LAST = -1000

END_OF_CERTIFICATE = "-----END CERTIFICATE-----\n"

# A test's database is hundreds of files, made and deleted: in memory that costs a tenth.
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a folder there
ENOUGH = 6 << 30  # bytes


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """The first process makes the folder that its xdist workers find in their environment."""
    gc.disable()  # collecting tests makes a million objects and hardly any garbage
    # What a shell puts into the background ignores Ctrl-C, and so would the programs under test.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput"):
        return
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # clean up then, too
    for name in [name for name in os.environ if name.startswith(("EMAG_", "PREFECT_"))]:
        if name not in FOR_TESTS:
            del os.environ[name]  # a developer's own shop must not leak into the tests
    os.environ.pop("DATABASE_URL", None)
    _keep_bytecode()
    os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "false"
    os.environ[SHARED_FOLDER] = tempfile.mkdtemp(prefix="emag-tests-", dir=_in_memory())
    os.environ["PREFECT_HOME"] = str(Path(os.environ[SHARED_FOLDER]) / "prefect")
    _put_temporary_files_into(Path(os.environ[SHARED_FOLDER]) / "temporary")
    _trust_one_certificate(Path(os.environ[SHARED_FOLDER]) / "certificate.pem")
    if not config.option.basetemp:  # else pytest would keep the files of the last three runs
        config.option.basetemp = str(Path(os.environ[SHARED_FOLDER]) / "tmp")


def _keep_bytecode() -> None:
    """The tests start hundreds of processes: each would compile all of our modules again."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def _put_temporary_files_into(folder: Path) -> None:
    """What any process of the tests, killed or not, leaves of its temporary files goes with it."""
    folder.mkdir()
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = str(folder)


def _trust_one_certificate(file: Path) -> None:
    """Nobody here speaks TLS: reading everybody's certificates takes each client 20 ms."""
    import certifi

    first, end, _ = certifi.contents().partition(END_OF_CERTIFICATE)
    file.write_text(first + end)
    os.environ["SSL_CERT_FILE"] = str(file)


def _in_memory() -> Path | None:
    """Where files live in memory, if there is room and nobody said where they should be."""
    if "TMPDIR" in os.environ or not os.access(IN_MEMORY, os.W_OK):
        return None
    return IN_MEMORY if shutil.disk_usage(IN_MEMORY).free >= ENOUGH else None


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    folder = Path(os.environ.pop(SHARED_FOLDER))
    if (folder / "pg").exists():
        # Workers that were killed stopped nothing: being the last user here stops it for them.
        start_embedded(folder / "pg").stop()
    Finalize(None, shutil.rmtree, args=[folder], exitpriority=LAST)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Several workers mix what keeps a core busy with what waits; one keeps the files' order.

    What takes longest begins first: the tests that share a server, which one worker has to do, each
    beside a long one, since they wait a good part of their time. The other long tests are spread,
    but the last ones hold none, since everybody would wait for it.
    """
    if not hasattr(config, "workerinput"):
        return
    groups = defaultdict[str, list[pytest.Item]](list)
    long, mixed = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        shared = item.get_closest_marker("xdist_group")
        alone = long if item.get_closest_marker("long") else mixed
        (groups[str(shared.args[0])] if shared else alone).append(item)
    mixed.sort(key=lambda item: crc32(item.nodeid.encode()))
    first = list[pytest.Item]()
    for group in groups.values():
        first += group + long[:1]
        del long[:1]
    apart = 1 + int(len(mixed) * WITH_LONG_ONES) // max(1, len(long))
    for number, item in enumerate(long):
        mixed.insert(number * apart, item)
    items[:] = first + mixed


def pytest_collection_finish() -> None:
    """What is there by now stays: nobody need look through it for garbage, nor often for more."""
    from flows.garbage import look_seldom  # as the program does

    gc.freeze()
    look_seldom()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """More workers than cores: a good part of the tests waits for a limit or for a process."""
    return 3 * (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Compile everything once, before the workers would all do it at the same time."""
    compile_all(config)


@pytest.fixture(scope="session", autouse=True)
def certificates() -> Iterator[None]:
    """httpx reads them anew for each of its clients, of which every test makes some: 20 ms each."""
    import httpx

    with pytest.MonkeyPatch.context() as patch:
        read_once = functools.cache(httpx.create_ssl_context)
        patch.setattr("httpx._transports.default.create_ssl_context", read_once)
        yield


@pytest.fixture(scope="session")
def prefect_database() -> Path:
    """Prefect's own tables in a SQLite file, without rows: making them takes ten seconds."""
    from flows.prefect_server import settings_for

    home = Path(os.environ[SHARED_FOLDER]) / "prefect-template"
    with (Path(os.environ[SHARED_FOLDER]) / "prefect-template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            fresh = home.with_suffix(".new")
            fresh.mkdir(exist_ok=True)
            command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
            environment = {**os.environ, **settings_for(fresh)}
            subprocess.run(command, env=environment, check=True, capture_output=True)
            fresh.rename(home)
    return home / "prefect.db"


@pytest.fixture
def prefect_home(prefect_database: Path, tmp_path: Path) -> Path:
    """A folder for a Prefect server, whose tables are there already."""
    home = tmp_path / "prefect"
    home.mkdir()
    shutil.copy(prefect_database, home)
    return home


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of the one PostgreSQL that all workers share; it lives as long as somebody uses it."""
    server = start_embedded(Path(os.environ[SHARED_FOLDER]) / "pg", **THROWAWAY)
    yield server.url
    databases.let_go(server.url)
    server.stop()


@pytest.fixture
def template(postgres: str) -> str:
    """Name of a database that was migrated today, by whichever worker came first.

    What a migration makes depends on the day: the call record's partitions.
    """
    name = TEMPLATE.format(datetime.now(UTC))
    return databases.migrated(postgres, name, Path(os.environ[SHARED_FOLDER]))


@pytest.fixture
def database_url(postgres: str, template: str) -> Iterator[str]:
    """URL of a migrated, empty database that nobody else has now.

    The test before may have left connections to it, which a `WarmEngine` takes over.
    """
    with databases.kept_database(postgres, template) as url:
        yield url


@pytest.fixture
def new_database_url(postgres: str, template: str) -> Iterator[str]:
    """URL of a migrated, empty database for this test alone, to which nobody is connected."""
    with databases.new_database(postgres, template) as url:
        yield url


@pytest.fixture
def bare_database_url(postgres: str) -> Iterator[str]:
    """URL of a database for this test alone that no migration has seen."""
    with databases.new_database(postgres, "template1") as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on this test's migrated database."""
    engine = databases.WarmEngine(database_url)
    yield engine
    engine.close()


@pytest.fixture
def market() -> Market:
    """An empty eMAG that knows one seller."""
    from integrations.sandbox.market import Market
    from integrations.sandbox.switches import Switches

    return Market(Switches(), credentials={USERNAME: PASSWORD})


@pytest.fixture
async def emag_url(market: Market) -> AsyncIterator[str]:
    """Base URL of `market`, served over HTTP on a free loopback port."""
    from integrations.sandbox.server import serving

    async with serving(market) as url:
        yield url


@pytest.fixture
def account(emag_url: str) -> Account:
    """The seller's account "main" at `emag_url`.

    The seller asks for a third less than eMAG's limits: in a test the sandbox shares a busy core
    with its client and may see a request half a second late, which is no fault of the pacing.
    """
    from pydantic import SecretStr

    from integrations.emag.accounts import Account
    from integrations.emag.routes import Family

    return Account(
        name="main",
        account_type="main",
        username=USERNAME,
        password=SecretStr(PASSWORD),
        base_url=emag_url,
        rates={Family.ORDERS: 8.0, Family.RMA: 2.0, Family.INVOICES: 2.0},
    )
