"""The documents that our books hold as attached to eMAG's orders."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from integrations.erp.schema import ErpSchema
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine

# eMAG fetches a document some time after it took the request: what is younger may not show yet.
SETTLES = "1 hour"

# An invoice that was changed in the ERP since then is planned anew, which reads the order itself.
_ATTACHED = """
    SELECT b.invoice_id AS row_id, b.emag_order_id AS order_id, b.emag_invoice_id AS named,
           {number} AS number, {url} AS url
      FROM app.emag_invoice_integrations b JOIN app.invoices e ON e.id = b.invoice_id
     WHERE b.platform = :platform AND b.emag_order_id = ANY(CAST(:numbers AS bigint[]))
       AND NOT b.superseded AND b.sync_state = 'synced'
       AND lower(b.emag_status::text) = 'attached'
       AND b.last_synced_at < timezone('utc', clock_timestamp()) - interval '{settles}'
       AND NOT EXISTS (SELECT FROM app.emag_changes c
                        WHERE c.kind = 'invoice' AND c.row_id = b.invoice_id)
     ORDER BY b.invoice_id
"""


@dataclass(frozen=True, slots=True)
class Attached:
    """An invoice of the ERP's whose document hangs on an order.

    Attributes:
        name: what the document is called at eMAG.
        number, url: of the invoice in the ERP.
    """

    row_id: int
    order_id: int
    name: str
    number: str
    url: str


async def attached_documents(
    engine: Engine, schema: ErpSchema, platform: str, numbers: Collection[int]
) -> list[Attached]:
    """What has been attached to these orders for a while; names that are not ours are left out."""
    query = _ATTACHED.format(
        number=_column(schema, "invoice_number"),
        url=_column(schema, "pdf_url"),
        settles=SETTLES,
    )
    async with autocommit(engine) as connection:
        rows = await connection.execute(query, {"platform": platform, "numbers": sorted(numbers)})
        return [
            Attached(row.row_id, row.order_id, name, row.number or "", (row.url or "").strip())
            for row in rows
            if (name := _name(row.named, row.order_id))
        ]


def _column(schema: ErpSchema, name: str) -> str:
    return f"e.{name}::text" if schema.column("invoices", name) else "NULL"


def _name(named: str | None, order_id: int) -> str:
    """The document's name in "<order id>/<name>"."""
    order, _, name = (named or "").partition("/")
    return name if order == str(order_id) else ""
