"""The ERP's rows about eMAG's orders, many orders at once, with what our books say of them.

Only what says of which order it is in so many digits is found by its own column, so that an index
of the ERP's can serve; what our books have read otherwise is found by them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.emag.order_fields import is_amount
from integrations.erp.connection import Connection
from integrations.erp.load import Fields, account_name, order_number
from integrations.erp.schema import ErpSchema
from integrations.erp.spelling import INTEGERS
from integrations.erp.times import readable_time

_CANCELLATION_COLUMNS = (
    "emag_order_id",
    "account_type",
    "status",
    "reason",
    "cancellation_number",
    "refund_status",
    "refund_amount",
    "refund_processed",
    "currency",
    "internal_notes",
)
_INVOICE_COLUMNS = (
    "emag_order_id",
    "order_id",
    "account_type",
    "status",
    "invoice_type",
    "total_amount",
    "paid_amount",
    "paid_at",
    "currency",
)
_RETURN_COLUMNS = (
    "emag_order_id",
    "account_type",
    "status",
    "emag_return_id",
    "refund_amount",
    "refund_processed",
    "currency",
)
_ITEM_COLUMNS = ("product_id", "sku", "quantity", "total_amount", "emag_item_id")

# A row is found by its own column, or by what our books hold about it.
_FIND = """
    SELECT r.id, {columns}, t.sync_state, t.origin, t.sent_at IS NOT NULL AS sent,
           t.emag_status::text AS known_status, {synced_at} AT TIME ZONE 'UTC' AS synced_at,
           {reductions} AS reductions
      FROM app.{table} r
      LEFT JOIN app.{books} t ON t.{erp_id} = r.id AND NOT t.superseded
     WHERE r.id IN ({named}
                    UNION SELECT b.{erp_id} FROM app.{books} b
                     WHERE b.platform = :platform AND b.emag_order_id = ANY(CAST(:ids AS bigint[]))
                       AND NOT b.superseded
                    UNION SELECT unnest(CAST(:besides AS bigint[])))
     ORDER BY r.id
"""

_NAMED = "SELECT n.id FROM app.{table} n WHERE {column} = ANY(CAST(:{values} AS {type}[]))"

_BY_OTHER_ORDER_ID = (
    " UNION SELECT o.id FROM app.{table} o WHERE {column} = ANY(CAST(:{values} AS {type}[]))"
    " AND btrim(coalesce(CAST(o.emag_order_id AS text), '')) = ''"
)

_ITEMS = """
    SELECT {parent} AS parent, {columns} FROM app.{table}
     WHERE {parent} = ANY(CAST(:rows AS bigint[])) ORDER BY id
"""

# What eMAG's news brought, or eMAG had from the ERP, and the ERP has deleted. Of a row that was
# carried out more than once the last time counts.
_DELETED = """
    SELECT DISTINCT ON (t.cancellation_request_id)
           t.cancellation_request_id AS id, t.emag_order_id AS order_id,
           t.emag_status::text AS emag_status, t.reductions
      FROM app.emag_cancellation_integrations t
     WHERE t.platform = :platform AND t.emag_order_id = ANY(CAST(:ids AS bigint[]))
       AND (t.origin = 'emag' OR t.emag_status IS NOT NULL)
       AND NOT EXISTS (SELECT FROM app.cancellation_requests r
                        WHERE r.id = t.cancellation_request_id)
     ORDER BY t.cancellation_request_id, t.id DESC
"""


@dataclass(frozen=True, slots=True)
class ItemOfOrder:
    """One product of a row; without a quantity the whole line is meant."""

    product_id: str | None
    sku: str | None
    emag_item_id: str | None
    quantity: Decimal | None
    total: Decimal | None


@dataclass(frozen=True, slots=True)
class CancellationOfOrder:
    """A cancellation of the ERP's with what our books say of it (`state` None: nothing).

    Words are lower-cased. `origin` is 'emag' for a row that eMAG's news brought, `known_status`
    what eMAG was last known to have at `synced_at`, `reductions` the stored targets of the order's
    lines.
    """

    id: int
    order_id: int
    account: str
    number: str
    status: str
    refund_status: str | None
    refund_amount: Decimal | None
    refund_processed: bool
    currency: str | None
    notes: str | None
    state: str | None
    origin: str | None
    sent: bool
    known_status: str | None
    synced_at: datetime | None
    reductions: Mapping[str, Any] | None
    items: tuple[ItemOfOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class DeletedCancellation:
    """What eMAG had, or its news had brought, about an order before the ERP deleted the row."""

    id: int
    order_id: int
    known_status: str | None
    reductions: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class InvoiceOfOrder:
    """An invoice of the ERP's; `has_paid_at` says whether it tells when it was paid.

    `odd_total` is a total that can be no amount of money, as it stands there; `total` is None then.
    """

    id: int
    order_id: int
    account: str
    status: str
    invoice_type: str
    total: Decimal | None
    paid: Decimal | None
    has_paid_at: bool
    currency: str | None
    odd_total: str | None = None


@dataclass(frozen=True, slots=True)
class ReturnOfOrder:
    """A return of the ERP's with its items; `emag_id` is eMAG's number of it.

    `refunded` is what the customer was paid back for it.
    """

    id: int
    order_id: int
    account: str
    status: str
    emag_id: str | None
    refunded: Decimal | None
    currency: str | None
    items: tuple[ItemOfOrder, ...] = ()


async def cancellations_of(
    connection: Connection,
    schema: ErpSchema,
    platform: str,
    ids: Collection[int],
    besides: Collection[int] = (),
) -> dict[int, list[CancellationOfOrder]]:
    """The cancellations of these orders, oldest first.

    `besides` are rows that are known to name one of them in another spelling.
    """
    found = await _find(
        connection,
        schema,
        "cancellation_requests",
        _CANCELLATION_COLUMNS,
        ("emag_cancellation_integrations", "cancellation_request_id", "t.reductions"),
        platform,
        ids,
        besides=besides,
    )
    items = await _items(
        connection,
        schema,
        "cancellation_items",
        "cancellation_request_id",
        [row.id for row in found],
    )
    rows: dict[int, list[CancellationOfOrder]] = {}
    for row in found:
        each = _cancellation(row, row._asdict(), items.get(row.id, ()))
        if each.order_id in ids:
            rows.setdefault(each.order_id, []).append(each)
    return rows


async def deleted_cancellations(
    connection: Connection, platform: str, ids: Collection[int]
) -> dict[int, list[DeletedCancellation]]:
    """What eMAG had, or its news had brought, about these orders in rows that are deleted since."""
    rows: dict[int, list[DeletedCancellation]] = {}
    for row in await connection.execute(_DELETED, {"platform": platform, "ids": sorted(ids)}):
        word = _word(row.emag_status)
        each = DeletedCancellation(row.id, row.order_id, word, row.reductions)
        rows.setdefault(row.order_id, []).append(each)
    return rows


async def invoices_of(
    connection: Connection,
    schema: ErpSchema,
    platform: str,
    ids: Collection[int],
    besides: Collection[int] = (),
) -> dict[int, list[InvoiceOfOrder]]:
    """The invoices of these orders, oldest first; by `order_id` where no eMAG order is named.

    `besides` are rows that are known to name one of them in another spelling.
    """
    found = await _find(
        connection,
        schema,
        "invoices",
        _INVOICE_COLUMNS,
        ("emag_invoice_integrations", "invoice_id", "NULL"),
        platform,
        ids,
        other="order_id",
        besides=besides,
    )
    rows: dict[int, list[InvoiceOfOrder]] = {}
    for row in found:
        each = _invoice(row._asdict())
        if each.order_id in ids:
            rows.setdefault(each.order_id, []).append(each)
    return rows


async def returns_of(
    connection: Connection,
    schema: ErpSchema,
    platform: str,
    ids: Collection[int],
    besides: Collection[int] = (),
) -> dict[int, list[ReturnOfOrder]]:
    """The returns of these orders, oldest first.

    `besides` are rows that are known to name one of them in another spelling.
    """
    found = await _find(
        connection,
        schema,
        "return_requests",
        _RETURN_COLUMNS,
        ("emag_return_integrations", "return_request_id", "NULL"),
        platform,
        ids,
        besides=besides,
    )
    items = await _items(
        connection, schema, "return_items", "return_request_id", [row.id for row in found]
    )
    rows: dict[int, list[ReturnOfOrder]] = {}
    for row in found:
        each = _return(row._asdict(), items.get(row.id, ()))
        if each.order_id in ids:
            rows.setdefault(each.order_id, []).append(each)
    return rows


async def _find(
    connection: Connection,
    schema: ErpSchema,
    table: str,
    columns: Iterable[str],
    books: tuple[str, str, str],
    platform: str,
    ids: Collection[int],
    *,
    other: str | None = None,
    besides: Collection[int] = (),
) -> list[Any]:
    named = _named(schema, table, "emag_order_id", "n", _NAMED)
    if other and schema.column(table, other):
        named += _named(schema, table, other, "o", _BY_OTHER_ORDER_ID)
    query = _FIND.format(
        columns=_as_text(schema, table, columns, "r."),
        table=table,
        books=books[0],
        erp_id=books[1],
        synced_at=readable_time("t.last_synced_at"),
        reductions=books[2],
        named=named,
    )
    wanted = sorted(ids)
    values = {
        "platform": platform,
        "ids": wanted,
        "texts": [str(each) for each in wanted],
        "besides": list(besides),
    }
    return list(await connection.execute(query, values))


def _named(schema: ErpSchema, table: str, name: str, alias: str, query: str) -> str:
    """The rows whose column names one of the orders, compared in the column's own type."""
    column = schema.column(table, name)
    type_name = column.type_name if column else "text"
    if type_name in INTEGERS:
        return query.format(table=table, column=f"{alias}.{name}", values="ids", type="bigint")
    plain = type_name.startswith(("text", "character"))
    compared = f"{alias}.{name}" if plain else f"{alias}.{name}::text"
    return query.format(table=table, column=compared, values="texts", type="text")


async def _items(
    connection: Connection, schema: ErpSchema, table: str, parent: str, rows: Collection[int]
) -> dict[int, tuple[ItemOfOrder, ...]]:
    if not rows:
        return {}
    columns = _as_text(schema, table, _ITEM_COLUMNS)
    query = _ITEMS.format(table=table, parent=parent, columns=columns)
    items: dict[int, tuple[ItemOfOrder, ...]] = {}
    for row in await connection.execute(query, {"rows": list(rows)}):
        item = ItemOfOrder(
            product_id=_filled(row.product_id),
            sku=_filled(row.sku),
            emag_item_id=_filled(row.emag_item_id),
            quantity=_number(row.quantity),
            total=_amount(row.total_amount),
        )
        items[row.parent] = (*items.get(row.parent, ()), item)
    return items


def _as_text(schema: ErpSchema, table: str, columns: Iterable[str], prefix: str = "") -> str:
    there = schema.tables.get(table, {})
    return ", ".join(
        f"{prefix}{name}::text AS {name}" if name in there else f"NULL::text AS {name}"
        for name in columns
    )


def _cancellation(row: Any, fields: Fields, items: tuple[ItemOfOrder, ...]) -> CancellationOfOrder:
    return CancellationOfOrder(
        id=row.id,
        order_id=order_number(fields["emag_order_id"]),
        account=account_name(fields),
        number=fields["cancellation_number"] or "",
        status=_word(fields["status"]) or "",
        refund_status=_word(fields["refund_status"]),
        refund_amount=_amount(fields["refund_amount"]),
        refund_processed=fields["refund_processed"] == "true",
        currency=_currency(fields["currency"]),
        notes=fields["internal_notes"],
        state=row.sync_state,
        origin=row.origin,
        sent=row.sent,
        known_status=_word(row.known_status),
        synced_at=row.synced_at,
        reductions=row.reductions,
        items=items,
    )


def _invoice(fields: Fields) -> InvoiceOfOrder:
    named = _filled(fields["emag_order_id"]) or fields["order_id"]
    total = _amount(fields["total_amount"])
    return InvoiceOfOrder(
        id=int(fields["id"] or 0),
        order_id=order_number(named),
        account=account_name(fields),
        status=_word(fields["status"]) or "",
        invoice_type=_word(fields["invoice_type"]) or "sales_invoice",
        total=total,
        paid=_amount(fields["paid_amount"]),
        has_paid_at=fields["paid_at"] is not None,
        currency=_currency(fields["currency"]),
        odd_total=fields["total_amount"] if total is None else None,
    )


def _return(fields: Fields, items: tuple[ItemOfOrder, ...]) -> ReturnOfOrder:
    is_paid = fields["refund_processed"] == "true"
    return ReturnOfOrder(
        id=int(fields["id"] or 0),
        order_id=order_number(fields["emag_order_id"]),
        account=account_name(fields),
        status=_word(fields["status"]) or "",
        emag_id=_filled(fields["emag_return_id"]),
        refunded=_amount(fields["refund_amount"]) if is_paid else None,
        currency=_currency(fields["currency"]),
        items=items,
    )


def _filled(value: str | None) -> str | None:
    return (value or "").strip() or None


def _word(value: str | None) -> str | None:
    return value.strip().lower() if value is not None else None


def _currency(value: str | None) -> str | None:
    return (value or "").strip().upper() or None


def _amount(value: str | None) -> Decimal | None:
    number = _number(value)
    return number if number is not None and is_amount(number) else None


def _number(value: str | None) -> Decimal | None:
    try:
        number = Decimal(value) if value is not None else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None
