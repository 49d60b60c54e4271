"""The ERP's rows that name their order with blanks or zeros around its digits."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from integrations.erp.connection import Connection
from integrations.erp.load import order_number
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.erp.tables import ERP_TABLES

INTEGERS = frozenset({"smallint", "integer", "bigint"})
"""Types of columns in which a number has one spelling alone."""

# What Python takes for blanks around a number, and a text can be copied with.
_BLANKS = " \t\r\n\f\v\xa0"


def plain_number(column: str) -> str:
    """SQL for the digits of an order's number in a column, as an index of the ERP's may have it."""
    return f"ltrim(btrim({column}::text, '{_BLANKS}'), '0')"


_SPELT_OTHERWISE = """
    SELECT n.id, n.{name}::text AS named FROM app.{table} n
     WHERE {plain} = ANY(CAST(:texts AS text[]))
       AND NOT n.{name}::text = ANY(CAST(:texts AS text[])){only}
"""

# An invoice without an eMAG order counts by its order.
_NAMES = {Kind.INVOICE: {"order_id": f" AND coalesce({plain_number('n.emag_order_id')}, '') = ''"}}


async def spelt_otherwise(
    connection: Connection, schema: ErpSchema, kind: Kind, ids: Collection[int]
) -> dict[int, list[int]]:
    """The ERP's rows that name one of these orders in another spelling than eMAG's.

    Ids of rows by order. This reads the whole table, unless the column holds numbers or has an
    index of `plain_number`; it is for the few orders whose rows are about to change.
    """
    found: dict[int, list[int]] = {}
    texts = [str(order_id) for order_id in sorted(ids)]
    for query in statements(schema, kind) if texts else ():
        for row in await connection.execute(query, {"texts": texts}):
            found.setdefault(order_number(row.named), []).append(row.id)
    return found


def statements(schema: ErpSchema, kind: Kind) -> Iterator[str]:
    """The SQL that finds them, one statement for each column that may name an order."""
    table = ERP_TABLES[kind].name
    for name, only in {"emag_order_id": "", **_NAMES.get(kind, {})}.items():
        column = schema.column(table, name)
        if column is not None and column.type_name not in INTEGERS:
            plain = plain_number(f"n.{name}")
            yield _SPELT_OTHERWISE.format(table=table, name=name, plain=plain, only=only)
