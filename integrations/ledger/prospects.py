"""What a run would claim, found without folding or leasing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.emag.accounts import Account
from integrations.erp.load import load_rows
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.ledger.books import BOOKS, State
from integrations.ledger.changes import Entry, entries_for
from integrations.ledger.claims import Claim

_DUE_OR_CHANGED = """
    SELECT d.row_id, t.id, t.wanted_revision AS revision, t.{emag_id} AS emag_id,
           t.sent_at IS NOT NULL AS sent, t.reductions, t.sync_attempts AS attempts
      FROM (SELECT {erp_id} AS row_id FROM {table} b
             WHERE NOT superseded AND sync_state IN ('pending', 'waiting', 'in_doubt')
               AND account_type = :account AND next_attempt_at <= clock_timestamp()
               AND NOT (sync_state = 'in_doubt' AND EXISTS (
                       SELECT FROM app.emag_order_leases l
                        WHERE l.platform = b.platform AND l.emag_order_id = b.emag_order_id
                          AND l.expires_at > clock_timestamp()))
            UNION
            SELECT row_id FROM app.emag_changes WHERE kind = :kind AND row_id IS NOT NULL
            UNION
            SELECT unnest(CAST(:also AS bigint[]))) d
      LEFT JOIN {table} t ON t.{erp_id} = d.row_id AND NOT t.superseded
     ORDER BY d.row_id LIMIT :rows
"""


@dataclass(frozen=True)
class Prospects:
    """Rows as a run would claim them, and those that would be refused before any plan."""

    claims: list[Claim]
    unusable: list[Entry]


async def prospects(
    engine: AsyncEngine,
    schema: ErpSchema,
    accounts: Mapping[str, Account],
    account: Account,
    kind: Kind,
    limit: int,
    *,
    require_approval: bool,
    also: Sequence[int] = (),
) -> Prospects:
    """Due rows, unfolded changes and `also` these rows of one kind and account, at most `limit`."""
    books = BOOKS[kind]
    query = _DUE_OR_CHANGED.format(table=books.name, erp_id=books.erp_id, emag_id=books.emag_id)
    async with engine.connect() as connection:
        found = {
            row.row_id: row
            for row in await connection.execute(
                text(query),
                {"account": account.name, "kind": kind.value, "rows": limit, "also": list(also)},
            )
        }
        entries = await entries_for(
            connection, schema, accounts, kind, list(found), require_approval
        )
        rows = await load_rows(connection, schema, kind, list(found))
    wanted = [
        entry
        for entry in entries
        if (entry.admits or found[entry.row_id].id is not None)
        and (entry.account == account.name or entry.state is State.REFUSED)
    ]
    claims = [
        Claim(
            id=found[entry.row_id].id or -entry.row_id,
            row_id=entry.row_id,
            order_id=entry.order_id or 0,
            revision=found[entry.row_id].revision or 0,
            emag_id=found[entry.row_id].emag_id,
            sent=bool(found[entry.row_id].sent),
            reductions=found[entry.row_id].reductions,
            attempts=found[entry.row_id].attempts or 0,
            row=rows.get(entry.row_id),
        )
        for entry in wanted
        if entry.state is State.PENDING
    ]
    return Prospects(claims, [entry for entry in wanted if entry.state is State.REFUSED])
