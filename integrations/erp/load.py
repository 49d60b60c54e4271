"""Read ERP rows as they are now, whatever types their columns have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from integrations.erp.connection import Connection
from integrations.erp.rows import CancellationRow, ErpRow, InvoiceRow, Item, Kind, ReturnRow
from integrations.erp.schema import ErpSchema
from integrations.erp.tables import ERP_TABLES, ITEM_COLUMNS, ErpTable

HIGHEST_ORDER = 4_294_967_295
NO_ORDER = 0

Fields = Mapping[str, str | None]


def order_number(value: str | None) -> int:
    """The eMAG order that a text names, or NO_ORDER where it names none (1..4294967295)."""
    digits = (value or "").strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        return NO_ORDER
    number = int(digits)
    return number if number <= HIGHEST_ORDER else NO_ORDER


def order_text(kind: Kind, fields: Fields) -> str | None:
    """What the row says about its order; an invoice without emag_order_id counts by order_id."""
    named = fields["emag_order_id"]
    if kind is Kind.INVOICE and not (named or "").strip():
        return fields["order_id"]
    return named


def account_name(fields: Fields) -> str:
    """The account that a row belongs to, in lower case; empty where it names none."""
    return (fields["account_type"] or "").strip().lower()


async def fetch_fields(
    connection: Connection, schema: ErpSchema, kind: Kind, ids: Iterable[int]
) -> dict[int, Fields]:
    """The deciding columns of these rows by id, as text; rows that are gone are left out."""
    table = ERP_TABLES[kind]
    query = (
        f"SELECT id, {_as_text(schema, table.name, table.columns)}"
        f" FROM app.{table.name} WHERE id = ANY(:ids)"
    )
    rows = await connection.execute(query, {"ids": list(ids)})
    return {row.id: row._asdict() for row in rows}


async def load_rows(
    connection: Connection, schema: ErpSchema, kind: Kind, ids: Sequence[int]
) -> dict[int, ErpRow]:
    """The ERP rows with their items by id; rows that are gone are left out.

    A row whose order id is unusable has `order_id` NO_ORDER.
    """
    fields = await fetch_fields(connection, schema, kind, ids)
    items = await _load_items(connection, schema, ERP_TABLES[kind], list(fields))
    return {row_id: _row(kind, row_id, each, items) for row_id, each in fields.items()}


def stamps(schema: ErpSchema, kind: Kind, ids: str) -> str:
    """SQL for the `id` and `stamp` of these rows; `ids` is an SQL expression for an array of ids.

    A stamp differs when anything does that `load_rows` reads.
    """
    table = ERP_TABLES[kind]
    stamp, gathered = _record(schema, table.name, table.columns), ""
    if table.items is not None:
        # Gathered in one go: an ERP may have no index over whose items they are.
        items = _record(schema, table.items, ITEM_COLUMNS)
        stamp += " || coalesce(i.items, '')"
        gathered = (
            f" LEFT JOIN (SELECT {table.parent} AS row_id,"
            f" string_agg({items}, ';' ORDER BY id) AS items"
            f" FROM app.{table.items} WHERE {table.parent} = ANY({ids}) GROUP BY {table.parent})"
            " i ON i.row_id = r.id"
        )
    return (
        f"SELECT r.id, hashtextextended({stamp}, 0) AS stamp"
        f" FROM (SELECT * FROM app.{table.name} WHERE id = ANY({ids})) r{gathered}"
    )


async def load_stamps(
    connection: Connection, schema: ErpSchema, kind: Kind, ids: Iterable[int]
) -> dict[int, int]:
    """The stamps of these rows by id; rows that are gone are left out."""
    rows = await connection.execute(stamps(schema, kind, ":ids"), {"ids": list(ids)})
    return {row.id: row.stamp for row in rows}


async def _load_items(
    connection: Connection, schema: ErpSchema, table: ErpTable, ids: Sequence[int]
) -> dict[int, tuple[Item, ...]]:
    if table.items is None or table.parent is None or not ids:
        return {}
    query = (
        f"SELECT {table.parent} AS parent, {_as_text(schema, table.items, ITEM_COLUMNS)}"
        f" FROM app.{table.items} WHERE {table.parent} = ANY(:ids) ORDER BY id"
    )
    items: dict[int, tuple[Item, ...]] = {}
    for row in await connection.execute(query, {"ids": ids}):
        items[row.parent] = (*items.get(row.parent, ()), _item(row._asdict()))
    return items


def _as_text(schema: ErpSchema, table: str, columns: Iterable[str]) -> str:
    there = schema.tables.get(table, {})
    return ", ".join(
        f"{name}::text AS {name}" if name in there else f"NULL::text AS {name}" for name in columns
    )


def _record(schema: ErpSchema, table: str, columns: Iterable[str]) -> str:
    there = schema.tables.get(table, {})
    return f"ROW({', '.join(name if name in there else 'NULL' for name in columns)})::text"


def _item(fields: Fields) -> Item:
    return Item(
        product_id=_blank_is_none(fields["product_id"]),
        sku=_blank_is_none(fields["sku"]),
        quantity=_decimal(fields["quantity"]),
        emag_item_id=_blank_is_none(fields["emag_item_id"]),
    )


def _row(kind: Kind, row_id: int, fields: Fields, items: Mapping[int, tuple[Item, ...]]) -> ErpRow:
    order_id = order_number(order_text(kind, fields))
    account = account_name(fields)
    status = _word(fields["status"]) or ""
    match kind:
        case Kind.RMA:
            return ReturnRow(
                id=row_id,
                order_id=order_id,
                account=account,
                status=status,
                emag_return_id=_blank_is_none(fields["emag_return_id"]),
                items=items.get(row_id, ()),
            )
        case Kind.CANCELLATION:
            return CancellationRow(
                id=row_id,
                order_id=order_id,
                account=account,
                status=status,
                reason=_word(fields["reason"]),
                refund_status=_word(fields["refund_status"]),
                items=items.get(row_id, ()),
            )
        case Kind.INVOICE:
            return InvoiceRow(
                id=row_id,
                order_id=order_id,
                account=account,
                status=status,
                number=_blank_is_none(fields["invoice_number"]),
                invoice_type=_word(fields["invoice_type"]),
                pdf_url=_blank_is_none(fields["pdf_url"]),
            )


def _word(value: str | None) -> str | None:
    return value.strip().lower() if value is not None else None


def _blank_is_none(value: str | None) -> str | None:
    return (value or "").strip() or None


def _decimal(value: str | None) -> Decimal | None:
    """None for NULL; NaN for what is no number, so that a plan can refuse it."""
    if value is None:
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return Decimal("NaN")
