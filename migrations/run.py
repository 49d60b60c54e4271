"""Bring a database to the newest schema, or print the SQL that would."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from psycopg.errors import Diagnostic
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from integrations.ledger.session import connect_blocking
from migrations import capture
from migrations.revisions import head

FOLDER = Path(__file__).resolve().parent
VERSION_TABLE = "emag_alembic_version"

# "emag" in ASCII: the number under which upgrades exclude each other.
UPGRADE_LOCK = 0x656D6167
LONGEST_UPGRADE = 1800.0
ASK_AGAIN = 0.2

_SCHEMA = """\
DO $emag$
BEGIN
    IF to_regnamespace('app') IS NULL THEN
        CREATE SCHEMA app;
    END IF;
END $emag$"""

_SCRIPT_LOCK = f"""\
DO $emag$
BEGIN
    WHILE NOT pg_try_advisory_lock({UPGRADE_LOCK}) LOOP
        COMMIT;
        PERFORM pg_sleep({ASK_AGAIN});
    END LOOP;
END $emag$"""

_SCRIPT_UNLOCK = f"DO $emag$ BEGIN PERFORM pg_advisory_unlock({UPGRADE_LOCK}); END $emag$"

_SCRIPT_HEADER = """\
-- emag-flows: brings this database to revision {head}.
-- Run it as the owner of the ERP's tables: psql "$DATABASE_URL" -f FILE (not with -1).
-- It waits at most half a second for a lock and tries again; it may be run repeatedly.
\\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET statement_timeout = 0;

"""

_REMEDIES = {
    None: "check DATABASE_URL and that the server runs",
    "42501": "run it as the owner of the ERP's tables",
    "55P03": "end long transactions (see pg_stat_activity) and run it again",
}

log = logging.getLogger("emag.migrations")


class UpgradeError(RuntimeError):
    """The database could not be upgraded; the text is one line with the remedy."""


def upgrade(database_url: str) -> None:
    """Migrate to the newest revision and put capture in place; does nothing where both are.

    Safe on a live ERP, twice in a row and from several hosts at once. What was interrupted is
    finished by running it again. Raises UpgradeError in one line.
    """
    engine = _open_engine(database_url)
    try:
        with _alone(engine), engine.connect() as connection:
            _migrate(connection.execution_options(isolation_level="AUTOCOMMIT"))
    except DBAPIError as error:
        raise UpgradeError(_one_line(error)) from error


def upgrade_sql(database_url: str | None = None) -> str:
    """The script that does the same when its owner runs it with psql.

    It fits every database and may be run repeatedly, so `database_url` changes nothing.
    """
    output = StringIO(_SCRIPT_HEADER.format(head=head()))
    output.seek(0, 2)
    context = MigrationContext.configure(
        dialect_name="postgresql",
        dialect_opts={"paramstyle": "named"},
        opts={"as_sql": True, "output_buffer": output, "transactional_ddl": False},
    )
    with Operations.context(context) as operations:
        operations.execute(_SCRIPT_LOCK)
        operations.execute(_SCHEMA)
        for revision in reversed(list(_scripts().walk_revisions())):
            revision.module.upgrade()
        for statement in (*capture.steps(), *_stamp()):
            operations.execute(statement)
        operations.execute(_SCRIPT_UNLOCK)
    return output.getvalue()


def _migrate(connection: Connection) -> None:
    raw = connection.connection.driver_connection
    assert raw is not None
    raw.add_notice_handler(_log_warning)
    connection.execute(text("SET statement_timeout = 0"))
    connection.execute(text(_SCHEMA))
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    for statement in capture.steps():
        connection.execute(text(statement))


def _log_warning(notice: Diagnostic) -> None:
    if notice.severity_nonlocalized == "WARNING":
        log.warning("%s", notice.message_primary)


def _stamp() -> Iterator[str]:
    """What Alembic does to its version table, made repeatable."""
    table = f"app.{VERSION_TABLE}"
    yield (
        f"CREATE TABLE IF NOT EXISTS {table} (version_num varchar(32) NOT NULL,"
        f" CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num))"
    )
    yield f"DELETE FROM {table} WHERE version_num <> '{head()}'"
    yield f"INSERT INTO {table} VALUES ('{head()}') ON CONFLICT DO NOTHING"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold off other upgrades of this database for as long as the block runs.

    The lock lives in a transaction, so it works through a pooler too. Whoever waits asks again and
    again instead of blocking: a blocked statement's snapshot holds up concurrent index builds.
    """
    with engine.connect() as connection:
        deadline = time.monotonic() + LONGEST_UPGRADE
        while not _locked(connection):
            if time.monotonic() > deadline:
                raise UpgradeError("another upgrade of this database is still running: wait for it")
            connection.rollback()
            time.sleep(ASK_AGAIN)
        yield


def _locked(connection: Connection) -> bool:
    lock = text("SELECT pg_try_advisory_xact_lock(:number)")
    taken = bool(connection.execute(lock, {"number": UPGRADE_LOCK}).scalar_one())
    # A last statement without a snapshot: the one of the SELECT would stay for as long as we idle,
    # and a concurrent index build waits for old snapshots.
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    return taken


def _open_engine(database_url: str) -> Engine:
    def connect() -> psycopg.Connection[Any]:
        _, address = engine.dialect.create_connect_args(engine.url)
        return connect_blocking(**address)

    engine = create_engine(_driver_url(database_url), poolclass=NullPool, creator=connect)
    return engine


def _driver_url(url: str) -> str:
    for prefix in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    raise UpgradeError("DATABASE_URL is no PostgreSQL address: it must start with postgresql://")


def _one_line(error: DBAPIError) -> str:
    problem = str(error.orig).strip().splitlines()[0]
    remedy = _REMEDIES.get(getattr(error.orig, "sqlstate", None))
    return f"{problem}; {remedy}" if remedy else problem
