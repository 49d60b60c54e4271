"""Whether a return of the ERP's says anything of a refund yet."""

from __future__ import annotations

from integrations.erp.connection import Connection
from integrations.erp.schema import ErpSchema

_NAMES = {
    "refund_amount": "coalesce(refund_amount::numeric, 0) <> 0",
    "refund_processed": "coalesce(refund_processed::boolean, false)",
}


async def names_refund(connection: Connection, schema: ErpSchema, row_id: int) -> bool:
    """Whether the row has an amount, or is said to be paid back, whoever wrote that."""
    terms = [term for name, term in _NAMES.items() if schema.column("return_requests", name)]
    if not terms:
        return False
    query = f"SELECT {' OR '.join(terms)} FROM app.return_requests WHERE id = :row_id"
    return bool((await connection.execute(query, {"row_id": row_id})).scalar_one_or_none())
