"""The tests' databases: a process keeps one and its connections from test to test, and empties it.

Making one takes 17 ms, and every new connection reads the catalogs and plans all triggers anew,
which takes longer. What a test changes beside rows is noted by an event trigger, and such a
database ends with its test.
"""

from __future__ import annotations

import asyncio
import fcntl
import functools
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from integrations.ledger.engine import CONNECTIONS, Driver, Engine

# How a test that is not over yet makes its database as good as new; triggers capture nothing of it.
EMPTY = "SELECT tests.empty()"

# The trigger comes last: what is noted is what came after it.
_PREPARE = """
    CREATE SCHEMA tests;
    CREATE TABLE tests.changes (what text);
    CREATE FUNCTION tests.note_change() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO tests.changes VALUES (tg_tag);
    END $$;
    CREATE FUNCTION tests.empty() RETURNS void
    LANGUAGE plpgsql SET session_replication_role = replica AS $$
    BEGIN
        {emptying}
    END $$;
    CREATE EVENT TRIGGER tests_note_change ON ddl_command_end EXECUTE FUNCTION tests.note_change();
"""
_EMPTYING = """
    SELECT string_agg(CASE relkind
               WHEN 'S' THEN format('PERFORM setval(%L, 1, false);', oid::regclass)
               ELSE format('DELETE FROM %s;', oid::regclass) END, ' ')
      FROM pg_class
     WHERE relnamespace = 'app'::regnamespace AND NOT relispartition
       AND relkind IN ('r', 'p', 'S') AND relname <> 'emag_alembic_version'
"""

# What no event trigger tells of: settings of the database itself, and which migrations it has had.
_AS_MADE = """
    SELECT (SELECT xmin::text FROM pg_database WHERE datname = current_database()),
           (SELECT array_agg(xmin::text) FROM app.emag_alembic_version),
           (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
             WHERE datname = current_database()),
           EXISTS (SELECT FROM tests.changes),
           EXISTS (SELECT FROM pg_class WHERE relnamespace = 'app'::regnamespace
                      AND relkind = 'r' AND pg_relation_size(oid) > 1000000)
"""
_END_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend'
       AND pid <> pg_backend_pid() AND pid <> ALL (%s)
"""
_FORGET = b"""
    RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES
"""


class WarmEngine(Engine):
    """An engine that begins with the connections which the one before it left."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._idle = _warm.pop(url, [])
        for connection in self._idle:
            connection.lock = asyncio.Lock()  # of this event loop

    def close(self) -> None:
        if self.url in _lent:
            room = CONNECTIONS - len(_warm[self.url])
            _warm[self.url] += self._idle[:room]
            del self._idle[:room]
        super().close()


@dataclass(frozen=True)
class _Kept:
    """A database that outlives its test; `made` is what it was like when it was made."""

    url: str
    connection: psycopg.Connection
    made: object


_kept = dict[tuple[str, str], _Kept]()
_lent = set[str]()
_warm = defaultdict[str, list[Driver]](list)


@contextmanager
def kept_database(server: str, template: str, *, further: str = "") -> Iterator[str]:
    """URL of a database like this template, and with what these statements make; it is empty."""
    kept = _kept.pop((template, further), None) or _make(server, template, further)
    _lent.add(kept.url)
    try:
        yield kept.url
    finally:
        _lent.remove(kept.url)
        if _emptied(kept):
            _kept[template, further] = kept
        else:
            _let_go(kept)
            _drop(server, kept.url)


@contextmanager
def new_database(server: str, template: str) -> Iterator[str]:
    """URL of a database like this template that ends with its user."""
    url = _create(server, f"test_{uuid4().hex}", template)
    try:
        yield url
    finally:
        _drop(server, url)


@functools.cache
def migrated(server: str, name: str, folder: Path) -> str:
    """The name of a migrated database, which whichever process came first has made."""
    with (folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _exists(server, name):
            _make_template(server, name)
    return name


def let_go(server: str) -> None:
    """End what this process has kept."""
    while _kept:
        _, kept = _kept.popitem()
        _let_go(kept)
    _maker(server).close()
    _maker.cache_clear()


def _make(server: str, template: str, further: str) -> _Kept:
    url = _create(server, f"kept_{os.getpid()}_{uuid4().hex}", template)
    connection = psycopg.connect(url, autocommit=True)
    if further:
        connection.execute(further.encode())
    [emptying] = connection.execute(_EMPTYING).fetchone() or [""]
    connection.execute(_PREPARE.format(emptying=emptying).encode())
    return _Kept(url, connection, connection.execute(_AS_MADE).fetchone())


def _emptied(kept: _Kept) -> bool:
    """Empty a database and renew its sessions; whether it is as it was made."""
    own = [each.info.backend_pid for each in _warm[kept.url] if _forgets(each)]
    try:
        kept.connection.execute(_END_OTHERS, [own])
        if kept.connection.execute(_AS_MADE).fetchone() != kept.made:
            return False
        kept.connection.execute(EMPTY)
    except psycopg.Error:
        return False  # nobody gets in any more, or a test has ended this session, too
    return True


def _forgets(connection: Driver) -> bool:
    """Make a session as a new one, and tell whether it is."""
    return connection.pgconn.exec_(_FORGET).status == psycopg.pq.ExecStatus.COMMAND_OK


def _let_go(kept: _Kept) -> None:
    kept.connection.close()
    for connection in _warm.pop(kept.url, []):
        connection.pgconn.finish()


def _make_template(server: str, name: str) -> None:
    """Migrate beside and rename, so that a failed migration leaves no half template.

    Its first visitor writes down what each would else find out anew about PostgreSQL's own tables.
    """
    from migrations.run import upgrade

    with new_database(server, "template1") as url:
        upgrade(url)
        made = _create(server, name, make_url(url).database or "")
    psycopg.connect(made).close()


def _exists(server: str, name: str) -> bool:
    found = _maker(server).execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
    return found.fetchone() is not None


def _create(server: str, name: str, template: str) -> str:
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
        sql.Identifier(name), sql.Identifier(template)
    )
    _maker(server).execute(create)
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _drop(server: str, url: str) -> None:
    name = sql.Identifier(make_url(url).database or "")
    _maker(server).execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@functools.cache
def _maker(server: str) -> psycopg.Connection:
    """A connection of this process that is kept: a new one for each database costs a fifth more."""
    return psycopg.connect(server, autocommit=True)
