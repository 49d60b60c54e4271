"""Write what eMAG answered into the ERP's own `emag_*` columns, harming none of its transactions.

One row a transaction, both rows locked with SKIP LOCKED: an ERP that holds its row locked delays
nobody, the value stays flagged and is written by a later run. So does the value of a row with a
change that is not folded yet. Nothing is written over what the ERP has decided since.
"""

from __future__ import annotations

from collections.abc import Mapping

from integrations.erp.connection import Connection
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.erp.tables import ERP_TABLES

# It need not wait for the disk: value and flag are lost together or not at all. A change that was
# folded, or commits while the row is being locked, shows in the row alone: it is looked at as well.
_WRITE_BACK = """
    WITH ours AS (
        SELECT id, {erp_id} AS row_id, emag_order_id, superseded,
               set_config('emag.writing_back', 'on', true),
               set_config('synchronous_commit', 'off', true)
          FROM {books} WHERE id = :id AND write_back IS NOT NULL FOR UPDATE SKIP LOCKED),
    theirs AS (
        SELECT r.id, ours.emag_order_id::text AS order_id
          FROM app.{table} r JOIN ours ON r.id = ours.row_id
         WHERE NOT ours.superseded
           AND NOT EXISTS (SELECT FROM app.emag_changes c
                            WHERE c.kind = '{kind}' AND c.row_id = r.id)
         FOR UPDATE OF r SKIP LOCKED),
    written AS (
        UPDATE app.{table} r SET {assignments} FROM theirs
         WHERE r.id = theirs.id AND ({differs}) AND {undecided}
           AND substring({order} FROM '[1-9][0-9]*') = theirs.order_id)
    UPDATE {books} t SET write_back = NULL FROM ours
     WHERE t.id = ours.id
       AND (ours.superseded OR EXISTS (SELECT FROM theirs)
            OR NOT EXISTS (SELECT FROM app.{table} r WHERE r.id = ours.row_id))
    RETURNING t.id
"""

# What the ERP itself may have put into a column that decides about its row.
_UNDECIDED = "btrim(coalesce(r.{name}::text, '')) IN ('', {cast}::text)"


def statement(
    kind: Kind, schema: ErpSchema, books: str, erp_id: str, values: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """The statement for one row and its values, in the form that the ERP's columns have.

    Columns that this ERP lacks, and words that its enums do not know, are left out. Nothing is
    written where the ERP names another in a column that decides about its row, or another order.
    """
    table = ERP_TABLES[kind]
    stored: dict[str, tuple[str, str]] = {}
    for name in table.written:
        column = schema.column(table.name, name)
        value = column.stored(values.get(name)) if column else None
        if column and value is not None:
            stored[name] = (value, column.type_name)
    casts = {name: f"CAST(:{name} AS {type_name})" for name, (_, type_name) in stored.items()}
    assignments = ", ".join(f"{name} = {cast}" for name, cast in casts.items())
    differs = " OR ".join(f"r.{name} IS DISTINCT FROM {cast}" for name, cast in casts.items())
    undecided = " AND ".join(
        _UNDECIDED.format(name=name, cast=cast)
        for name, cast in casts.items()
        if name in table.columns
    )
    sql = _WRITE_BACK.format(
        books=books,
        erp_id=erp_id,
        kind=kind.value,
        table=table.name,
        assignments=assignments or "id = r.id",
        differs=differs or "false",
        undecided=undecided or "true",
        order=_order(kind, schema),
    )
    return sql, {name: value for name, (value, _) in stored.items()}


def _order(kind: Kind, schema: ErpSchema) -> str:
    """SQL for what row `r` says about its order; see `order_text`."""
    names = ("emag_order_id", "order_id") if kind is Kind.INVOICE else ("emag_order_id",)
    there = [name for name in names if schema.column(ERP_TABLES[kind].name, name)]
    named = ", ".join(f"nullif(btrim(r.{name}::text), '')" for name in there)
    return f"coalesce({named or 'NULL'})::text"


async def write_back(
    connection: Connection,
    kind: Kind,
    schema: ErpSchema,
    books: str,
    erp_id: str,
    integration_id: int,
    values: Mapping[str, str],
) -> bool:
    """Write one row's values on a connection in autocommit; False where that has to wait."""
    sql, stored = statement(kind, schema, books, erp_id, values)
    done = await connection.execute(sql, {"id": integration_id, **stored})
    return done.first() is not None
