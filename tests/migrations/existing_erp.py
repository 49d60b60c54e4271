"""An ERP that was there first, and what the catalog says of a database."""

from __future__ import annotations

from pathlib import Path

import psycopg

SQL = Path(__file__).with_suffix(".sql")

# Everything of schema app that a user could tell apart, as text.
_CATALOG = r"""
    SELECT 'column', c.relname || '.' || a.attname,
           concat_ws(' ', c.relkind, format_type(a.atttypid, a.atttypmod),
                     CASE WHEN a.attnotnull THEN 'not null' END, nullif(a.attidentity, ''),
                     pg_get_expr(d.adbin, d.adrelid))
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace = 'app'::regnamespace AND NOT a.attisdropped
       AND c.relkind IN ('r', 'p', 'v', 'f')
    UNION ALL
    SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
      FROM pg_constraint WHERE connamespace = 'app'::regnamespace
    UNION ALL
    SELECT 'index', indexrelid::regclass::text, indisvalid || ' ' || pg_get_indexdef(indexrelid)
      FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
     WHERE relnamespace = 'app'::regnamespace
    UNION ALL
    SELECT 'trigger', tgrelid::regclass || '.' || tgname,
           concat_ws(' ', tgenabled, pg_get_triggerdef(t.oid))
      FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
     WHERE relnamespace = 'app'::regnamespace AND NOT tgisinternal
    UNION ALL
    SELECT 'function', oid::regprocedure::text,
           pg_get_functiondef(oid) || coalesce(proacl::text, '')
      FROM pg_proc WHERE pronamespace = 'app'::regnamespace
    UNION ALL
    SELECT 'partition', oid::regclass::text, pg_get_expr(relpartbound, oid)
      FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relispartition
    UNION ALL
    SELECT 'revision', 'app.emag_alembic_version', version_num FROM app.emag_alembic_version
"""

# Which row versions the catalog holds: whatever is created, altered or replaced changes one.
_VERSIONS = """
    SELECT 'class', oid::text, xmin::text, relfilenode::text FROM pg_class
     WHERE relnamespace = 'app'::regnamespace
    UNION ALL
    SELECT 'attribute', attrelid || ' ' || attnum, attribute.xmin::text, ''
      FROM pg_attribute AS attribute JOIN pg_class ON pg_class.oid = attrelid
     WHERE relnamespace = 'app'::regnamespace
    UNION ALL
    SELECT 'function', oid::text, xmin::text, '' FROM pg_proc
     WHERE pronamespace = 'app'::regnamespace
    UNION ALL
    SELECT 'trigger', oid::text, xmin::text, '' FROM pg_trigger
    UNION ALL
    SELECT 'revision', version_num, xmin::text, '' FROM app.emag_alembic_version
"""

Rows = set[tuple[str, ...]]


def install(url: str) -> None:
    """Fill an empty database with the ERP and a few rows of every kind."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL.read_bytes())


def reinstall(url: str) -> None:
    """Begin anew, as if nobody had ever upgraded."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA app CASCADE")
    install(url)


def catalog(url: str) -> Rows:
    """(what, name, definition) of everything in schema app."""
    return _rows(url, _CATALOG)


def catalog_versions(url: str) -> Rows:
    """Which versions of its catalog rows and table files the database has."""
    return _rows(url, _VERSIONS)


def _rows(url: str, query: str) -> Rows:
    with psycopg.connect(url) as connection:
        return {tuple(map(str, row)) for row in connection.execute(query.encode())}
