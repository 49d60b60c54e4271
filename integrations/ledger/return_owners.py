"""Which rows of the ERP eMAG's returns belong to, or might come to belong to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from integrations.erp.connection import Connection
from integrations.erp.load import load_rows
from integrations.erp.rows import Kind, ReturnRow
from integrations.erp.schema import ErpSchema
from integrations.erp.spelling import plain_number
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine

_LINKED = """
    SELECT emag_return_id, return_request_id AS row_id, sync_state, waiting_for,
           emag_status::text AS emag_status
      FROM app.emag_return_integrations
     WHERE NOT superseded AND emag_return_id = ANY(CAST(:ids AS text[]))
       AND (platform = :platform OR platform IS NULL AND lower(account_type) = :account)
     ORDER BY platform NULLS FIRST, id DESC
"""

_NAMED = """
    SELECT r.id AS row_id, r.emag_return_id::text AS emag_return_id, t.sync_state, t.waiting_for,
           t.emag_status::text AS emag_status
      FROM app.return_requests r
      LEFT JOIN app.emag_return_integrations t
             ON t.return_request_id = r.id AND NOT t.superseded
     WHERE r.emag_return_id = ANY(CAST(:ids AS {type}[]))
       AND coalesce(lower(btrim(r.account_type::text)), '') <> ALL(CAST(:elsewhere AS text[]))
     ORDER BY coalesce(lower(btrim(r.account_type::text)), '') = :account, r.id DESC
"""

# Rows of the ERP's about these orders that no return belongs to yet; capture may have noted some
# that nobody has folded. The books know no platform of a row that names no account of ours.
_UNLINKED = f"""
    SELECT t.return_request_id AS row_id FROM app.emag_return_integrations t
     WHERE (t.platform = :platform OR t.platform IS NULL)
       AND t.emag_order_id = ANY(CAST(:orders AS bigint[]))
       AND NOT t.superseded AND t.sync_state IN ('pending', 'waiting', 'in_doubt')
       AND nullif(t.emag_return_id, '') IS NULL
    UNION
    SELECT r.id FROM app.emag_changes c
      JOIN app.return_requests r ON r.id = c.row_id
     WHERE c.kind = 'rma'
       AND {plain_number("r.emag_order_id")} = ANY(CAST(:order_texts AS text[]))
       AND NOT EXISTS (SELECT FROM app.emag_return_integrations t
                        WHERE t.return_request_id = r.id AND NOT t.superseded
                          AND nullif(t.emag_return_id, '') IS NOT NULL)
"""

# As if the ERP had changed them: whoever is carrying one at this moment looks at it again.
_WAKE = """
    INSERT INTO app.emag_changes (kind, row_id)
    SELECT 'rma', woken FROM unnest(CAST(:ids AS bigint[])) AS woken
     WHERE NOT EXISTS (SELECT FROM app.emag_changes c WHERE c.kind = 'rma' AND c.row_id = woken)
     ORDER BY woken
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """The row that a return belongs to, and how it stands in our books.

    `state` is None where they hold nothing that was ever queued; `row` is the ERP's row then.
    `known_status` is what eMAG was last known to have, in the words of `emag_status`.
    """

    row_id: int
    state: str | None
    waiting_for: str | None
    known_status: str | None
    row: ReturnRow | None = None


async def owners_of(
    engine: Engine,
    schema: ErpSchema,
    platform: str,
    account: str,
    ids: Collection[int],
    *,
    elsewhere: Collection[str],
) -> dict[int, Owner]:
    """The rows of these returns, by number, as our books have them, else as the ERP names them.

    A row of whatever account owns the return that it names, unless that account is one of those
    `elsewhere`; of several rows the account's own counts.
    """
    texts = sorted(map(str, ids))
    names = {"ids": texts, "platform": platform, "account": account}
    async with autocommit(engine) as connection:
        linked = await connection.execute(_LINKED, names)
        owners = {int(row.emag_return_id): _owner(row) for row in linked}
        column = schema.column("return_requests", "emag_return_id")
        rest = [each for each in texts if int(each) not in owners]
        if rest and column:
            named = await connection.execute(
                _NAMED.format(type="text" if "char" in column.type_name else column.type_name),
                {"ids": rest, "account": account, "elsewhere": sorted(elsewhere)},
            )
            owners |= {int(row.emag_return_id): _owner(row) for row in named}
        return await _with_rows(connection, schema, owners)


def _owner(row: Any) -> Owner:
    status = row.emag_status.lower() if row.emag_status else None
    return Owner(int(row.row_id), row.sync_state, row.waiting_for, status)


async def _with_rows(
    connection: Connection, schema: ErpSchema, owners: dict[int, Owner]
) -> dict[int, Owner]:
    """With the ERP's rows of those that were never queued."""
    unknown = [owner.row_id for owner in owners.values() if owner.state is None]
    if not unknown:
        return owners
    rows = await load_rows(connection, schema, Kind.RMA, unknown)
    return {
        emag_id: replace(owner, row=row)
        if isinstance(row := rows.get(owner.row_id), ReturnRow)
        else owner
        for emag_id, owner in owners.items()
    }


async def unlinked_rows(
    engine: Engine,
    schema: ErpSchema,
    platform: str,
    orders: Collection[int],
    *,
    elsewhere: Collection[str],
) -> dict[int, list[ReturnRow]]:
    """The ERP's open rows about these orders that no return belongs to yet, by order.

    Those of accounts `elsewhere` are about other orders of the same numbers.
    """
    if not orders:
        return {}
    asked = {
        "platform": platform,
        "orders": sorted(orders),
        "order_texts": sorted(map(str, orders)),
    }
    async with autocommit(engine) as connection:
        ids = [row.row_id for row in await connection.execute(_UNLINKED, asked)]
        rows = await load_rows(connection, schema, Kind.RMA, ids) if ids else {}
    found: dict[int, list[ReturnRow]] = {}
    for row in rows.values():
        if not isinstance(row, ReturnRow) or row.account in elsewhere:
            continue
        if row.emag_return_id is None:
            found.setdefault(row.order_id, []).append(row)
    return found


async def wake(engine: Engine, ids: Collection[int]) -> None:
    """Have the next run plan these rows of the ERP again."""
    if ids:
        async with autocommit(engine) as connection:
            await connection.execute(_WAKE, {"ids": sorted(ids)})
