"""What eMAG's news needs of the ERP's tables: rights, and no column that nobody can fill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from integrations.erp.connection import Connection
from integrations.erp.schema import ErpSchema, read_schema
from integrations.erp.write import UnfitError, with_required

# Rows that news creates, and the columns that it always fills; what it can't know stays neutral.
CREATED: Mapping[str, frozenset[str]] = {
    "return_requests": frozenset(
        {
            "return_number",
            "emag_order_id",
            "emag_return_id",
            "account_type",
            "status",
            "reason",
            "reason_description",
            "refund_method",
            "currency",
            "created_at",
            "updated_at",
        }
    ),
    "return_items": frozenset(
        {
            "return_request_id",
            "quantity",
            "condition",
            "reason",
            "status",
            "emag_item_id",
            "created_at",
            "updated_at",
        }
    ),
    "cancellation_requests": frozenset(
        {
            "cancellation_number",
            "emag_order_id",
            "account_type",
            "status",
            "reason",
            "reason_description",
            "cancellation_fee",
            "refund_amount",
            "refund_status",
            "refund_processed",
            "currency",
            "stock_restored",
            "created_at",
            "updated_at",
        }
    ),
    "cancellation_items": frozenset(
        {
            "cancellation_request_id",
            "quantity",
            "unit_price",
            "total_amount",
            "stock_to_restore",
            "emag_item_id",
            "created_at",
            "updated_at",
        }
    ),
}

CHANGED = ("return_requests", "cancellation_requests", "invoices")

# A default that takes its value from a sequence needs it, whoever owns that.
_MISSING = """
    WITH class AS (
        SELECT c.oid, c.relname, format('%I.%I', n.nspname, c.relname) AS name
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'app')
    SELECT 'INSERT' AS privilege, name AS object FROM class
     WHERE relname = ANY(:created) AND NOT has_table_privilege(oid, 'INSERT')
    UNION ALL
    SELECT 'UPDATE', name FROM class
     WHERE relname = ANY(:changed) AND NOT has_table_privilege(oid, 'UPDATE')
    UNION ALL
    SELECT DISTINCT 'USAGE', 'SEQUENCE ' || s.oid::regclass
      FROM class JOIN pg_attrdef f ON f.adrelid = class.oid
      JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
                      AND d.refclassid = 'pg_class'::regclass
      JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
     WHERE class.relname = ANY(:created)
       AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE') END
"""


class Right(NamedTuple):
    """A privilege on an object, in the words of GRANT."""

    privilege: str
    object: str


class NoRoom(NamedTuple):
    """A column that must be given and for which eMAG has nothing, and why."""

    table: str
    column: str
    why: str


async def missing_rights(connection: Connection) -> list[Right]:
    """What our role may not do with the ERP's tables although news has to."""
    found = await connection.execute(_MISSING, {"created": list(CREATED), "changed": list(CHANGED)})
    return [Right(row.privilege, row.object) for row in found]


async def unfit_columns(connection: Connection) -> list[NoRoom]:
    """Columns that keep every row of eMAG's news out of the ERP's tables."""
    schema = await read_schema(connection)
    return [each for table in CREATED for each in _unfit(schema, table)]


def _unfit(schema: ErpSchema, table: str) -> Iterator[NoRoom]:
    for name, column in schema.tables.get(table, {}).items():
        if name == "id" or name in CREATED[table]:
            continue
        try:
            with_required(ErpSchema({table: {name: column}}), table, {})
        except UnfitError as unfit:
            yield NoRoom(table, name, str(unfit))
