"""What our books say of cancellations whose order goes on at eMAG; the ERP's rows stay as they are.

Each is one statement: it waits for nobody, and changes nothing where the ERP, or a request of ours,
has moved on since eMAG was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine

REOPENED = "reopened"

_TABLE = "app.emag_cancellation_integrations"

_UNTOUCHED = f"""
    SELECT t.id FROM {_TABLE} t
     WHERE t.cancellation_request_id = :row_id AND NOT t.superseded
       AND NOT EXISTS (SELECT FROM app.emag_changes c
                        WHERE c.kind = 'cancellation' AND c.row_id = t.cancellation_request_id)
       AND NOT EXISTS (SELECT FROM app.emag_api_calls a
                        WHERE a.order_ids @> ARRAY[CAST(:order_id AS bigint)] AND a.writes
                          AND a.sent_at > CAST(:read_at AS timestamptz) - interval '1 day'
                          AND a.verdict <> 'unsent'
                          AND coalesce(a.closed_at, 'infinity') > :read_at)
       AND {{condition}}
     FOR UPDATE SKIP LOCKED
"""

_REOPEN = f"""
    UPDATE {_TABLE} t SET sync_state = 'refused', error_message = :reason,
           emag_status = CAST(:word AS {{status_type}}), waiting_for = NULL,
           updated_at = timezone('utc', clock_timestamp())
     WHERE t.id IN ({_UNTOUCHED.format(condition="t.sync_state = 'synced'")})
    RETURNING t.id
"""

_CLOSE_AGAIN = f"""
    UPDATE {_TABLE} t SET sync_state = 'synced', error_message = NULL,
           emag_status = CAST(:word AS {{status_type}}),
           last_synced_at = timezone('utc', clock_timestamp()),
           updated_at = timezone('utc', clock_timestamp())
     WHERE t.id IN ({_UNTOUCHED.format(condition="t.sync_state = 'refused'")})
       AND lower(t.emag_status::text) = '{REOPENED}'
    RETURNING t.id
"""

_KEEP_TARGETS = f"""
    UPDATE {_TABLE} SET reductions = CAST(:targets AS jsonb)
     WHERE cancellation_request_id = :row_id AND NOT superseded AND origin = 'emag'
       AND reductions IS NULL
"""


async def reopen(
    engine: Engine,
    schema: ErpSchema,
    row_id: int,
    order_id: int,
    read_at: datetime,
    reason: str,
) -> bool:
    """Refuse a synced cancellation whose order goes on; it is never sent again by itself.

    False where the row is locked, or the ERP or a request of ours has moved on.
    """
    return await _change(engine, schema, _REOPEN, REOPENED, row_id, order_id, read_at, reason)


async def close_again(
    engine: Engine,
    schema: ErpSchema,
    row_id: int,
    order_id: int,
    read_at: datetime,
    status: str,
) -> bool:
    """The order of such a cancellation is cancelled at eMAG again: both sides agree."""
    return await _change(engine, schema, _CLOSE_AGAIN, status, row_id, order_id, read_at)


async def keep_targets(engine: Engine, row_id: int, targets: Mapping[str, Any]) -> None:
    """Note which pieces a row of eMAG's news stands for, whatever becomes of its items."""
    async with autocommit(engine) as connection:
        await connection.execute(
            _KEEP_TARGETS, {"row_id": row_id, "targets": orjson.dumps(targets).decode()}
        )


async def _change(
    engine: Engine,
    schema: ErpSchema,
    statement: str,
    word: str,
    row_id: int,
    order_id: int,
    read_at: datetime,
    reason: str | None = None,
) -> bool:
    status = schema.column(BOOKS[Kind.CANCELLATION].table, "emag_status")
    query = statement.format(status_type=status.type_name if status else "text")
    values: dict[str, object] = {
        "row_id": row_id,
        "order_id": order_id,
        "read_at": read_at,
        "word": status.stored(word) if status else word,
    }
    if reason is not None:
        values["reason"] = reason
    async with autocommit(engine) as connection:
        return (await connection.execute(query, values)).first() is not None
