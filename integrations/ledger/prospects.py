"""What a run would claim, found without folding or leasing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from integrations.emag.accounts import Account
from integrations.erp.load import load_rows
from integrations.erp.rows import ErpRow, Kind
from integrations.erp.schema import ErpSchema
from integrations.ledger.books import BOOKS, OPEN_STATES, State
from integrations.ledger.claims import Claim, what_emag_had, wishes_among
from integrations.ledger.database import rolled_back
from integrations.ledger.engine import Engine
from integrations.ledger.queueing import Entry, entries_for

_DUE_OR_CHANGED = """
    SELECT d.row_id, t.id, t.wanted_revision AS revision, t.{emag_id} AS emag_id,
           t.sent_at IS NOT NULL AS sent, t.reductions, t.sync_attempts AS attempts,
           t.sync_state AS state, t.emag_order_id AS order_id, t.account_type AS account,
           t.erp_digest, t.emag_status::text, t.last_synced_at IS NOT NULL AS was_synced, t.origin
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
            SELECT {erp_id} FROM {table}
             WHERE NOT superseded AND sync_state = 'waiting' AND waiting_for = 'account'
            UNION
            SELECT unnest(CAST(:also AS bigint[]))) d
      LEFT JOIN {table} t ON t.{erp_id} = d.row_id AND NOT t.superseded
     ORDER BY t.waiting_for IS NOT DISTINCT FROM 'account', d.row_id LIMIT :rows
"""


@dataclass(frozen=True)
class Prospects:
    """What a run would find.

    Attributes:
        claims: rows as it would claim them.
        deleted: the same for open rows that the ERP has deleted.
        unusable: rows that would be refused, or wait for their account, before any plan.
        history: settled rows that the ERP has deleted, by row and with their states.
    """

    claims: list[Claim]
    deleted: list[Claim]
    unusable: list[Entry]
    history: Mapping[int, State]


async def prospects(
    engine: Engine,
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
    async with rolled_back(engine) as connection:
        found = {
            row.row_id: row
            for row in await connection.execute(
                query,
                {"account": account.name, "kind": kind.value, "rows": limit, "also": list(also)},
            )
        }
        entries = await entries_for(
            connection, schema, accounts, kind, list(found), require_approval
        )
        rows = await load_rows(connection, schema, kind, list(found))
        new = [row.row_id for row in found.values() if row.origin is None and not row.was_synced]
        wishes = await wishes_among(connection, schema, account.platform, kind, new)
    usable, unusable = [], []
    for entry in entries:
        if not entry.admits and found[entry.row_id].id is None:
            continue
        books_row = found[entry.row_id]
        if entry.state is State.WITHDRAWN:
            if not (books_row.sent or books_row.was_synced):
                continue
            entry = replace(entry, state=State.PENDING)
        if entry.state is not State.PENDING and _concerns(entry, account, accounts):
            unusable.append(entry)
        elif entry.state is State.PENDING and entry.account == account.name:
            usable.append(entry)
    gone = {
        row_id: State(row.state)
        for row_id, row in found.items()
        if row_id not in rows and row.state and row.account == account.name
    }
    return Prospects(
        claims=[
            _claim(
                found[each.row_id],
                each.order_id,
                rows.get(each.row_id),
                is_wish=each.row_id in wishes,
            )
            for each in usable
        ],
        deleted=[
            _claim(found[row_id], found[row_id].order_id, None)
            for row_id, state in gone.items()
            if state in OPEN_STATES
        ],
        unusable=unusable,
        history={row_id: state for row_id, state in gone.items() if state not in OPEN_STATES},
    )


def _concerns(entry: Entry, account: Account, accounts: Mapping[str, Account]) -> bool:
    """Whether a row is this account's; one that names no account of ours is everybody's."""
    return entry.account == account.name or entry.account not in accounts


def _claim(books: Any, order_id: int | None, row: ErpRow | None, *, is_wish: bool = False) -> Claim:
    return Claim(
        id=books.id or -books.row_id,
        row_id=books.row_id,
        order_id=order_id or 0,
        revision=books.revision or 0,
        emag_id=books.emag_id,
        sent=bool(books.sent),
        reductions=books.reductions,
        attempts=books.attempts or 0,
        row=row,
        had=what_emag_had(books, row),
        is_wish=is_wish,
    )
