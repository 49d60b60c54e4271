"""The ERP's tables that matter to eMAG, and what is read from and written to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.erp.rows import Kind


@dataclass(frozen=True)
class ErpTable:
    """One kind of ERP row.

    Attributes:
        name: the table, in schema `app`.
        columns: what decides the row's wish.
        items, parent: its item table and that table's column naming the row, where items matter.
        written: the columns that are written back, emag_id first.
    """

    name: str
    columns: tuple[str, ...]
    written: tuple[str, ...]
    items: str | None = None
    parent: str | None = None


ITEM_COLUMNS = ("product_id", "sku", "quantity", "emag_item_id")

ERP_TABLES: Mapping[Kind, ErpTable] = {
    Kind.RMA: ErpTable(
        name="return_requests",
        columns=("emag_order_id", "account_type", "status", "emag_return_id"),
        written=("emag_return_id", "emag_status"),
        items="return_items",
        parent="return_request_id",
    ),
    Kind.CANCELLATION: ErpTable(
        name="cancellation_requests",
        columns=("emag_order_id", "account_type", "status", "reason", "refund_status"),
        written=("emag_cancellation_id",),
        items="cancellation_items",
        parent="cancellation_request_id",
    ),
    Kind.INVOICE: ErpTable(
        name="invoices",
        columns=(
            "emag_order_id",
            "order_id",
            "account_type",
            "status",
            "invoice_number",
            "invoice_type",
            "pdf_url",
        ),
        written=("emag_invoice_id",),
    ),
}
