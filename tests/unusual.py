"""Databases that an administrator made or set otherwise than most are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import make_url


def set_for_all(database_url: str, name: str, value: str) -> None:
    """Let every new session of this database have a setting."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                sql.Identifier(connection.info.dbname), sql.Identifier(name.lower()), value
            )
        )


@contextmanager
def encoded(server: str, encoding: str) -> Iterator[str]:
    """URL of a new database whose texts are written in this encoding."""
    name = f"test_{uuid4().hex}"
    create = sql.SQL("CREATE DATABASE {} ENCODING {} LOCALE 'C' TEMPLATE template0")
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(name), encoding))
        try:
            yield make_url(server).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(drop.format(sql.Identifier(name)))
