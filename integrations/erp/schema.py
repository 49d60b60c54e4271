"""What the seller's tables look like here: their columns, of which type, with which labels.

A fresh database holds words as lower-case text; an ERP that was there first may hold them as native
enums with upper-case labels. Everything is read as text and written in the form the column has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.erp.connection import Connection

_COLUMNS = """
    SELECT c.relname AS table_name, a.attname AS column_name,
           format_type(a.atttypid, a.atttypmod) AS type_name,
           (SELECT array_agg(e.enumlabel::text) FROM pg_enum e WHERE e.enumtypid = a.atttypid)
               AS labels,
           a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS required
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'app'
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relname = ANY(:tables)
"""

TABLES = (
    "return_requests",
    "return_items",
    "cancellation_requests",
    "cancellation_items",
    "invoices",
    "invoice_items",
    "emag_return_integrations",
    "emag_cancellation_integrations",
    "emag_invoice_integrations",
)


@dataclass(frozen=True)
class Column:
    """One column: its SQL type by name and, for an enum, its labels.

    `required` says that an INSERT must name it: it is NOT NULL and has no default.
    """

    type_name: str
    labels: tuple[str, ...] = ()
    required: bool = False

    def stored(self, word: str | None) -> str | None:
        """The word in the form this column has; None where an enum knows no such word."""
        if word is None or not self.labels:
            return word
        return next((label for label in self.labels if label.lower() == word.lower()), None)


@dataclass(frozen=True)
class ErpSchema:
    """The columns of the ERP's tables and of the integration tables, by table and name."""

    tables: Mapping[str, Mapping[str, Column]]

    def column(self, table: str, name: str) -> Column | None:
        return self.tables.get(table, {}).get(name)


async def read_schema(connection: Connection) -> ErpSchema:
    """Look the tables up in the catalog; a missing table has no columns."""
    tables: dict[str, dict[str, Column]] = {name: {} for name in TABLES}
    for row in await connection.execute(_COLUMNS, {"tables": list(TABLES)}):
        labels = tuple(row.labels or ())
        tables[row.table_name][row.column_name] = Column(row.type_name, labels, row.required)
    return ErpSchema(tables)
