"""Looks for what would keep the ERP's changes from being captured or read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from integrations.erp.connection import Connection, rows_of
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.findings import UPGRADE, Finding, Problem, summed_up
from integrations.ledger.unqueued import INTEGERS
from migrations import capture
from migrations.capture import CAPTURED, Captured

_FUNCTION = """
    SELECT p.prosrc, quote_ident(r.rolname) AS owner,
           has_schema_privilege(r.oid, 'app', 'USAGE')
           AND has_table_privilege(r.oid, 'app.emag_changes', 'INSERT') AS may_append,
           has_function_privilege('public', p.oid, 'EXECUTE') AS for_everybody
      FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
     WHERE p.oid = to_regprocedure(:function)
"""

# Settings that make a role's or the database's sessions pass over ordinary triggers.
_REPLICAS = """
    SELECT coalesce(quote_ident(r.rolname), 'everybody') AS who,
           concat('ALTER ', 'ROLE ' || quote_ident(r.rolname),
                  CASE WHEN r.oid IS NOT NULL AND s.setdatabase <> 0 THEN ' IN ' END,
                  CASE WHEN s.setdatabase <> 0
                       THEN 'DATABASE ' || quote_ident(current_database()) END,
                  ' RESET session_replication_role') AS remedy
      FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
     WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
       AND 'session_replication_role=replica' = ANY(s.setconfig)
"""


async def check_functions(name: str, connection: Connection) -> list[Finding]:
    """The functions that the triggers call, and what keeps sessions from calling them."""
    problems: list[Problem] = []
    for function, body in capture.functions().items():
        found = await rows_of(connection, _FUNCTION, function=f"app.{function}()")
        problems += _function_problems(f"app.{function}", body, found)
    for row in await rows_of(connection, _REPLICAS):
        problems.append(
            Problem(
                f"session_replication_role is replica for {row.who}, whose changes go unseen",
                row.remedy,
            )
        )
    return [summed_up(name, problems, "up to date")]


def _function_problems(function: str, body: str, found: Sequence[Any]) -> Iterator[Problem]:
    if not found or found[0].prosrc != body:
        yield Problem(f"{function} is {'another version' if found else 'missing'}", UPGRADE)
    elif not found[0].may_append:
        owner = found[0].owner
        yield Problem(
            f"{owner}, the owner of {function}, may not append: the ERP's own statements fail",
            f"GRANT USAGE ON SCHEMA app TO {owner}; GRANT INSERT ON app.emag_changes TO {owner}",
        )
    elif not found[0].for_everybody:
        yield Problem(
            f"not everybody may execute {function}: who adds a partition to the ERP's table fails",
            f"GRANT EXECUTE ON FUNCTION {function}() TO PUBLIC",
        )


_TRIGGERS = """
    SELECT t.tgname AS name, t.tgenabled AS enabled, t.tgrelid::regclass::text AS relation,
           t.tgparentid = 0 AS own
      FROM pg_trigger t
     WHERE t.tgname = ANY(:triggers)
       AND (t.tgrelid = to_regclass(:table)
            OR t.tgrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(:table))))
"""

_RELATION = "SELECT relkind::text FROM pg_class WHERE oid = to_regclass(:table)"
_NO_TABLE = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


async def check_captures(name: str, connection: Connection) -> list[Finding]:
    """The triggers of each table whose changes are captured."""
    return [await _check_capture(f"{name} {each.table}", connection, each) for each in CAPTURED]


async def _check_capture(name: str, connection: Connection, captured: Captured) -> Finding:
    table = f"app.{captured.table}"
    kind = next(iter(await rows_of(connection, _RELATION, table=table)), None)
    if kind is None:
        return Finding(name, False, f"{table} is missing", UPGRADE)
    if kind.relkind in _NO_TABLE:
        return Finding(
            name,
            False,
            f"{table} is {_NO_TABLE[kind.relkind]} and can't carry the triggers: changes go unseen",
            f"let the ERP itself insert ('{captured.kind}', id) into app.emag_changes",
        )
    wanted = [captured.row_trigger, captured.truncate_trigger]
    found = await rows_of(connection, _TRIGGERS, table=table, triggers=wanted)
    return summed_up(name, _trigger_problems(wanted, found), "captured")


def _trigger_problems(wanted: Iterable[str], found: Sequence[Any]) -> Iterator[Problem]:
    there = {trigger.name for trigger in found if trigger.own}
    for name in wanted:
        if name not in there:
            yield Problem(f"trigger {name} is missing", UPGRADE)
    for trigger in found:
        if trigger.enabled in ("D", "R"):
            state = "disabled" if trigger.enabled == "D" else "enabled for replicas only"
            yield Problem(
                f"trigger {trigger.name} on {trigger.relation} is {state}",
                f"ALTER TABLE {trigger.relation} ENABLE TRIGGER {trigger.name}",
            )


_COLUMNS = """
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
           t.typcategory AS category
      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
     WHERE a.attrelid = to_regclass(:table) AND a.attnum > 0 AND NOT a.attisdropped
"""

# pg_type.typcategory of what can be read as a word or a number: strings, enums, numbers.
_READABLE = frozenset("SEN")


async def check_columns(name: str, connection: Connection) -> list[Finding]:
    """Whether what is captured and written has names and types that can be read."""
    written = {erp.name: erp.written for erp in ERP_TABLES.values()}
    problems: list[Problem] = []
    for captured in CAPTURED:
        rows = await rows_of(connection, _COLUMNS, table=f"app.{captured.table}")
        columns = {row.name: row for row in rows}
        if columns:
            words = dict.fromkeys((*captured.columns, *written.get(captured.table, ())))
            problems += _column_problems(captured, words, columns)
    return [summed_up(name, problems, "can be read")]


def _column_problems(
    captured: Captured, words: Iterable[str], columns: Mapping[str, Any]
) -> Iterator[Problem]:
    table = f"app.{captured.table}"
    for name in dict.fromkeys(("id", captured.key)):
        if name not in columns or columns[name].type not in INTEGERS:
            found = columns[name].type if name in columns else "missing"
            yield Problem(f"{table}.{name} is {found}", f"{table}.{name} must be an integer")
    for name in words:
        if name not in columns:
            yield Problem(f"{table}.{name} is missing", f"ALTER TABLE {table} ADD {name} text")
        elif columns[name].category not in _READABLE:
            yield Problem(
                f"{table}.{name} is {columns[name].type}",
                f"{table}.{name} must be text, an enum or a number",
            )
