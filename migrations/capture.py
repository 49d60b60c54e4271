"""Capture: triggers that note which ERP rows changed, put in place after every upgrade.

They are no revision's, because an ERP may lose one at any time (a table rebuilt, a restore).
A trigger appends to `app.emag_changes` and does nothing else, so that it can't make the ERP fail,
wait or deadlock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from integrations.erp.rows import Kind
from integrations.erp.tables import ERP_TABLES, ITEM_COLUMNS
from migrations.patience import patiently

# 'on' in a transaction that writes eMAG's id into the ERP's row, which is no change of the ERP's.
WRITING_BACK = "emag.writing_back"


@dataclass(frozen=True)
class Captured:
    """One table with capture.

    Attributes:
        key: the column that holds the id of the changed row (for an item, its parent's).
        columns: a change to one of these, or to `key`, matters.
        written: those among them that we write back ourselves.
    """

    table: str
    kind: Kind
    key: str
    columns: tuple[str, ...]
    written: tuple[str, ...] = ()

    @property
    def function(self) -> str:
        """The trigger function, in schema `app`."""
        return f"emag_capture_{self.table}"

    @property
    def row_trigger(self) -> str:
        """The trigger that appends the ids of changed rows."""
        return f"emag_capture_{self.table}"

    @property
    def truncate_trigger(self) -> str:
        """The trigger that appends that the whole table was emptied."""
        return f"emag_truncate_{self.table}"


def _captured() -> Iterator[Captured]:
    for kind, table in ERP_TABLES.items():
        written = tuple(name for name in table.columns if name in table.written)
        yield Captured(table.name, kind, "id", table.columns, written)
        if table.items and table.parent:
            yield Captured(table.items, kind, table.parent, ITEM_COLUMNS)


CAPTURED: tuple[Captured, ...] = tuple(_captured())

# Comparing fields costs 2 microseconds a row, comparing jsonb 12 and more. But fields fail where a
# column was dropped, renamed or retyped since this session first ran the function, and then jsonb
# takes over. `| 0` exists for integers only: a key of another type is left to `db check`.
_ROW_BODY = """
DECLARE
    old_id bigint;
    new_id bigint;
    same boolean := false;
    old_row jsonb;
    new_row jsonb;
BEGIN
    BEGIN
        old_id := OLD.{key} | 0;
        new_id := NEW.{key} | 0;
        same := TG_OP = 'UPDATE' AND {same_fields};
    EXCEPTION WHEN OTHERS THEN
        BEGIN
            old_row := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
            new_row := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
            old_id := {id_of_old};
            new_id := {id_of_new};
            same := TG_OP = 'UPDATE' AND {same_json};
        EXCEPTION WHEN OTHERS THEN
            same := false;
        END;
    END;
    IF same THEN
        RETURN NULL;
    END IF;
    IF new_id IS NOT NULL THEN
        INSERT INTO app.emag_changes (kind, row_id) VALUES ('{kind}', new_id);
    END IF;
    IF old_id IS NOT NULL AND old_id IS DISTINCT FROM new_id THEN
        INSERT INTO app.emag_changes (kind, row_id) VALUES ('{kind}', old_id);
    END IF;
    RETURN NULL;
END"""

_TRUNCATE_FUNCTION = "emag_capture_truncate"
_TRUNCATE_BODY = """
BEGIN
    INSERT INTO app.emag_changes (kind) VALUES (TG_ARGV[0]);
    RETURN NULL;
END"""


def steps() -> Iterator[str]:
    """SQL statements, each a transaction of its own that touches at most one ERP table."""
    for name, body in functions().items():
        yield _function(name, body)
    for captured in CAPTURED:
        yield _triggers(captured)


def functions() -> dict[str, str]:
    """The trigger functions in schema `app`: name and body."""
    rows = {captured.function: _row_body(captured) for captured in CAPTURED}
    return {_TRUNCATE_FUNCTION: _TRUNCATE_BODY} | rows


def _row_body(captured: Captured) -> str:
    names = (captured.key, *captured.columns)
    return _ROW_BODY.format(
        key=captured.key,
        kind=captured.kind.value,
        same_fields=_all_same(names, captured.written, "OLD.{0}", "NEW.{0}"),
        same_json=_all_same(names, captured.written, "old_row -> '{0}'", "new_row -> '{0}'"),
        id_of_old=_id_in_json("old_row", captured.key),
        id_of_new=_id_in_json("new_row", captured.key),
    )


def _all_same(names: tuple[str, ...], written: tuple[str, ...], old: str, new: str) -> str:
    terms = []
    for name in names:
        term = f"({old.format(name)}) IS NOT DISTINCT FROM ({new.format(name)})"
        if name in written:
            term = f"({term} OR current_setting('{WRITING_BACK}', true) = 'on')"
        terms.append(term)
    return "\n            AND ".join(terms)


def _id_in_json(row: str, key: str) -> str:
    return (
        f"CASE WHEN jsonb_typeof({row} -> '{key}') = 'number'"
        f" AND {row} ->> '{key}' ~ '^-?[0-9]{{1,18}}$' THEN ({row} ->> '{key}')::bigint END"
    )


def _function(name: str, body: str) -> str:
    """Make the function or bring it up to date.

    Everybody may execute it: whoever adds a partition to the ERP's table needs to.
    """
    return f"""\
DO $emag$
BEGIN
    IF (SELECT prosrc FROM pg_proc WHERE oid = to_regprocedure('app.{name}()'))
            IS DISTINCT FROM $capture${body}$capture$ THEN
        CREATE OR REPLACE FUNCTION app.{name}() RETURNS trigger LANGUAGE plpgsql
            SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $capture${body}$capture$;
        GRANT EXECUTE ON FUNCTION app.{name}() TO PUBLIC;
    END IF;
END $emag$"""


def _triggers(captured: Captured) -> str:
    """Create the missing triggers; what carries none (a view, a foreign table) is passed over."""
    table = f"app.{captured.table}"
    row, truncate = captured.row_trigger, captured.truncate_trigger
    return patiently(
        table,
        f"""
            IF EXISTS (SELECT FROM pg_class
                        WHERE oid = to_regclass('{table}') AND relkind IN ('r', 'p')) THEN
                IF NOT EXISTS (SELECT FROM pg_trigger
                                WHERE tgrelid = '{table}'::regclass AND tgname = '{row}') THEN
                    CREATE TRIGGER {row} AFTER INSERT OR UPDATE OR DELETE ON {table}
                        FOR EACH ROW EXECUTE FUNCTION app.{captured.function}();
                END IF;
                IF NOT EXISTS (SELECT FROM pg_trigger
                                WHERE tgrelid = '{table}'::regclass AND tgname = '{truncate}') THEN
                    CREATE TRIGGER {truncate} AFTER TRUNCATE ON {table}
                        FOR EACH STATEMENT
                        EXECUTE FUNCTION app.{_TRUNCATE_FUNCTION}('{captured.kind.value}');
                END IF;
            END IF;""",
    )
