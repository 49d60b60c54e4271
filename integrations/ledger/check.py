"""Looks for what would keep changes from being captured or carried, and how to put it right."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping

import psycopg
from psycopg.errors import InsufficientPrivilege

from integrations.erp.connection import Connection, rows_of
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.adopt import adoptable
from integrations.ledger.books import BOOKS
from integrations.ledger.changes import KINDS
from integrations.ledger.check_capture import check_captures, check_columns, check_functions
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine
from integrations.ledger.findings import UPGRADE, Finding, Problem, one_line, summed_up
from integrations.ledger.line import is_broken
from integrations.ledger.session import UNKNOWN, UTF8
from integrations.ledger.way_in import missing_rights, unfit_columns
from migrations.capture import CAPTURED
from migrations.revisions import head

OLDEST_SERVER = 14
MOST_CLOCK_DIFFERENCE = 5.0  # seconds
DAYS_AHEAD = 2

RIGHTS_FIRST = "grant what the finding about rights lists"

OUR_TABLES = (
    *(books.table for books in BOOKS.values()),
    "emag_changes",
    "emag_order_leases",
    "emag_api_calls",
    "emag_cursors",
    "emag_platform_cursors",
    "emag_rate_limits",
    "emag_issued_invoices",
    "emag_offer_syncs",
    "emag_returns",
    "emag_orders",
    "emag_unnumbered",
    "emag_drift",
    "emag_alarms",
    "emag_differences",
    "emag_certificates",
    "emag_idempotency_keys",
    "emag_documents",
)

# The functions that a run or the nightly care of the call record calls.
CALLED = ("emag_prepare_calls", "emag_old_calls", "emag_drop_calls")


async def check_database(engine: Engine) -> list[Finding]:
    """Everything that was looked at, good or bad, in the order of what stands on what.

    Changes nothing. What the database refuses to answer is a finding, too; of a database that isn't
    migrated the rest isn't looked at.
    """
    try:
        async with autocommit(engine) as connection:
            findings = [await _check_encoding("database", connection)]
            for name, check in _CHECKS.items():
                findings += await _carried_out(name, check, connection)
                if name == _REVISION and not findings[-1].ok:
                    return findings
    except (psycopg.Error, OSError) as error:
        return [Finding("database", False, one_line(error), "check DATABASE_URL and the server")]
    return [*findings, *await _check_history(engine, findings)]


async def _carried_out(name: str, check: _Check, connection: Connection) -> list[Finding]:
    try:
        return await check(name, connection)
    except psycopg.Error as error:
        if is_broken(error):
            raise
        remedy = RIGHTS_FIRST if isinstance(error, InsufficientPrivilege) else UPGRADE
        return [Finding(name, False, one_line(error), remedy)]


async def _check_encoding(name: str, connection: Connection) -> Finding:
    encoding = str((await connection.execute("SHOW server_encoding")).scalar_one())
    if encoding == UTF8:
        return Finding(name, True, "reachable")
    lacking = f"what {encoding} lacks is written without accents, or as {UNKNOWN}"
    return Finding(name, True, f"reachable; {lacking}")


async def _check_version(name: str, connection: Connection) -> list[Finding]:
    number = int((await connection.execute("SHOW server_version_num")).scalar_one())
    found = f"PostgreSQL {number // 10000}"
    if number < OLDEST_SERVER * 10000:
        return [Finding(name, False, found, f"PostgreSQL {OLDEST_SERVER} or newer is needed")]
    return [Finding(name, True, found)]


_MISSING_RIGHTS = """
    WITH class AS (
        SELECT c.oid, c.relname, format('%I.%I', n.nspname, c.relname) AS name
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'app')
    SELECT 'USAGE' AS privilege, 'SCHEMA app' AS object FROM pg_namespace
     WHERE nspname = 'app' AND NOT has_schema_privilege(oid, 'USAGE')
    UNION ALL
    SELECT 'SELECT', name FROM class
     WHERE relname = ANY(:read) AND NOT has_table_privilege(oid, 'SELECT')
    UNION ALL
    SELECT p.privilege, name
      FROM class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (privilege)
     WHERE relname = ANY(:ours) AND NOT has_table_privilege(oid, p.privilege)
    UNION ALL
    SELECT format('UPDATE (%I)', a.attname), name
      FROM class JOIN pg_attribute a ON a.attrelid = class.oid
     WHERE relname || '.' || a.attname = ANY(:written)
       AND NOT has_column_privilege(a.attrelid, a.attnum, 'UPDATE')
    UNION ALL
    SELECT 'USAGE', 'SEQUENCE ' || s.oid::regclass
      FROM class JOIN pg_depend d ON d.refobjid = class.oid AND d.deptype = 'a'
      JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
     WHERE class.relname = ANY(:ours)
       AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE') END
    UNION ALL
    SELECT 'EXECUTE', 'FUNCTION ' || p.oid::regprocedure
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'app'
     WHERE p.proname = ANY(:called) AND NOT has_function_privilege(p.oid, 'EXECUTE')
"""


async def _check_rights(name: str, connection: Connection) -> list[Finding]:
    role = await _role(connection)
    missing = await rows_of(
        connection,
        _MISSING_RIGHTS,
        read=[captured.table for captured in CAPTURED] + ["emag_alembic_version"],
        ours=list(OUR_TABLES),
        called=list(CALLED),
        written=[f"{erp.name}.{column}" for erp in ERP_TABLES.values() for column in erp.written],
    )
    problems = (
        Problem(
            f"no {right.privilege} on {right.object}",
            f"GRANT {right.privilege} ON {right.object} TO {role}",
        )
        for right in missing
    )
    return [summed_up(name, problems, f"role {role} has what a run needs")]


async def _role(connection: Connection) -> str:
    return str((await connection.execute("SELECT quote_ident(current_user)")).scalar_one())


async def _check_news_rights(name: str, connection: Connection) -> list[Finding]:
    role = await _role(connection)
    problems = [
        Problem(f"no {privilege} on {what}", f"GRANT {privilege} ON {what} TO {role}")
        for privilege, what in await missing_rights(connection)
    ]
    return [summed_up(name, problems, f"role {role} may write what eMAG's news needs")]


async def _check_news_columns(name: str, connection: Connection) -> list[Finding]:
    problems = [
        Problem(each.why, f"ALTER TABLE app.{each.table} ALTER {each.column} SET DEFAULT ...")
        for each in await unfit_columns(connection)
    ]
    return [summed_up(name, problems, "nothing is required that eMAG has nothing for")]


async def _check_revision(name: str, connection: Connection) -> list[Finding]:
    there = (await connection.execute(_VERSION_TABLE)).scalar_one()
    found = await rows_of(connection, "TABLE app.emag_alembic_version") if there else []
    revision = found[0].version_num if found else "none"
    if revision == head():
        return [Finding(name, True, head())]
    return [Finding(name, False, f"{revision} instead of {head()}", UPGRADE)]


_VERSION_TABLE = "SELECT to_regclass('app.emag_alembic_version')"

_MISSING_TABLES = """
    SELECT o.name FROM unnest(CAST(:ours AS text[])) AS o (name)
     WHERE to_regclass('app.' || o.name) IS NULL
"""


async def _check_our_tables(name: str, connection: Connection) -> list[Finding]:
    missing = await rows_of(connection, _MISSING_TABLES, ours=list(OUR_TABLES))
    problems = (Problem(f"app.{row.name} is missing", UPGRADE) for row in missing)
    return [summed_up(name, problems, f"all {len(OUR_TABLES)} are there")]


# Integers of 4 bytes are the default of an integration that was there first.
_NARROW = """
    SELECT format_type(b.atttypid, b.atttypmod) AS ours,
           format_type(e.atttypid, e.atttypmod) AS erps
      FROM pg_attribute b, pg_attribute e
     WHERE b.attrelid = to_regclass(:books) AND b.attname = :erp_id
       AND e.attrelid = to_regclass(:erp) AND e.attname = 'id' AND b.attlen < e.attlen
"""

_STRANGE_KINDS = """
    SELECT kind, count(*) AS changes FROM app.emag_changes
     WHERE kind <> ALL(CAST(:kinds AS text[])) GROUP BY kind ORDER BY kind LIMIT 5
"""


async def _check_room(name: str, connection: Connection) -> list[Finding]:
    problems = []
    for kind, books in BOOKS.items():
        erp = f"app.{ERP_TABLES[kind].name}"
        rows = await rows_of(connection, _NARROW, books=books.name, erp_id=books.erp_id, erp=erp)
        problems += [
            Problem(
                f"{books.name}.{books.erp_id} is {row.ours}, and {erp}.id {row.erps}",
                f"ALTER TABLE {books.name} ALTER {books.erp_id} TYPE {row.erps}",
            )
            for row in rows
        ]
    strange = await rows_of(connection, _STRANGE_KINDS, kinds=KINDS)
    problems += [
        Problem(
            f"app.emag_changes holds {row.changes} of kind {row.kind[:20]!r}",
            f"let what writes them use one of {', '.join(KINDS)}, and correct those",
        )
        for row in strange
    ]
    return [summed_up(name, problems, "can be queued")]


_MISSING_DAYS = """
    SELECT to_char(day, 'YYYY-MM-DD') AS day
      FROM (SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date + n AS day
              FROM generate_series(0, :ahead) AS n) AS days
     WHERE to_regclass('app.emag_api_calls_' || to_char(day, 'YYYYMMDD')) IS NULL
"""


async def _check_partitions(name: str, connection: Connection) -> list[Finding]:
    missing = await rows_of(connection, _MISSING_DAYS, ahead=DAYS_AHEAD)
    problems = (
        Problem(f"none for {row.day}", "SELECT app.emag_prepare_calls(14)") for row in missing
    )
    return [summed_up(name, problems, f"there for {DAYS_AHEAD} days ahead")]


async def _check_clock(name: str, connection: Connection) -> list[Finding]:
    before = time.time()
    query = "SELECT extract(epoch FROM clock_timestamp())"
    theirs = float((await connection.execute(query)).scalar_one())
    difference = theirs - (before + time.time()) / 2
    detail = f"the database's is {abs(difference):.1f} s {'ahead' if difference > 0 else 'behind'}"
    if abs(difference) > MOST_CLOCK_DIFFERENCE:
        return [Finding(name, False, detail, "synchronise both hosts' clocks (NTP)")]
    return [Finding(name, True, detail)]


async def _check_history(engine: Engine, findings: Iterable[Finding]) -> list[Finding]:
    """Rows that were never queued are nobody's mistake: the finding only says that they exist."""
    if not all(finding.ok for finding in findings if finding.name in (_RIGHTS, _OUR_TABLES)):
        return []
    try:
        counts = await adoptable(engine)
    except psycopg.Error as error:
        return [Finding(_HISTORY, False, one_line(error), "see that the ERP's tables can be read")]
    detail = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    remedy = "`emag-flows adopt --since DATE` queues them" if detail else ""
    return [Finding(_HISTORY, True, detail or "none", remedy)]


_RIGHTS = "rights"
_REVISION = "revision"
_HISTORY = "rows never queued"
_OUR_TABLES = "our tables"

_Check = Callable[[str, Connection], Awaitable[list[Finding]]]

_CHECKS: Mapping[str, _Check] = {
    "server version": _check_version,
    _RIGHTS: _check_rights,
    _REVISION: _check_revision,
    _OUR_TABLES: _check_our_tables,
    "capture functions": check_functions,
    "capture of": check_captures,
    "the ERP's columns": check_columns,
    "rights to bring eMAG's news in": _check_news_rights,
    "room for eMAG's news": _check_news_columns,
    "every row of the ERP's": _check_room,
    "call record's partitions": _check_partitions,
    "clock": _check_clock,
}
