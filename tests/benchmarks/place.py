"""Where runs are measured: a PostgreSQL with its normal durability, and processes beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import psycopg
from cryptography.fernet import Fernet
from psycopg import sql
from sqlalchemy import make_url

from integrations.embedded import embedded
from migrations.run import upgrade

ROOT = Path(__file__).resolve().parents[2]
USERNAME, PASSWORD = "seller@example.com", "secret"

# Nobody listens there: for runs that have nothing to ask.
NOWHERE = "http://127.0.0.1:9/api-3"

STOP_SECONDS = 20


@dataclass(frozen=True)
class Place:
    """A folder that goes when the benchmarks are done, and the URL of a PostgreSQL in it."""

    folder: Path
    server: str

    @cached_property
    def template(self) -> str:
        """The name of a migrated database, from which others are copied."""
        self._execute("CREATE DATABASE bench_template")
        upgrade(self._url("bench_template"))
        return "bench_template"

    def database(self) -> str:
        """The URL of a new migrated, empty database, which goes with the place."""
        name = f"bench_{uuid4().hex}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, self.template)
        return self._url(name)

    @cached_property
    def calls_key(self) -> str:
        """What the bodies in the call record are encrypted with, as a shop's are."""
        return Fernet.generate_key().decode()

    def environment(self, database_url: str, emag_url: str = NOWHERE) -> Mapping[str, str]:
        """A shop's settings, free of the developer's own; changed rows needn't rest first."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("EMAG_", "PREFECT_"))
        }
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": database_url,
            "EMAG_ENVIRONMENT": "sandbox",
            "EMAG_BASE_URL": emag_url,
            "EMAG_USERNAME": USERNAME,
            "EMAG_PASSWORD": PASSWORD,
            "EMAG_QUIET_SECONDS": "0",
            "EMAG_CALLS_KEY": self.calls_key,
            "EMAG_LOG_FILE": str(self.folder / "logs" / "app.log"),
        }

    @contextmanager
    def process(
        self, module: str, *arguments: str, environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[str]]:
        """A Python module of ours as a process, ended with the block if it hasn't by then."""
        process = subprocess.Popen(
            [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=environment,
        )
        with process:
            try:
                yield process
            finally:
                _end(process)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))

    def _url(self, database: str) -> str:
        return make_url(self.server).set(database=database).render_as_string(hide_password=False)


@contextmanager
def open_place() -> Iterator[Place]:
    """A fresh place; nothing of it is left behind."""
    with tempfile.TemporaryDirectory(prefix="emag-bench-") as name:
        folder = Path(name)
        with embedded(folder / "pg") as server:
            yield Place(folder, server)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
