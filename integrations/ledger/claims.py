"""Claiming due rows: a batch of rows of one kind and account whose orders are leased to it."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.emag.accounts import Account
from integrations.erp.connection import Connection
from integrations.erp.digest import digest
from integrations.erp.load import load_rows, load_stamps
from integrations.erp.news_numbers import numbered_by_news
from integrations.erp.rows import ErpRow, Kind, held_back
from integrations.erp.schema import ErpSchema
from integrations.ledger import leases
from integrations.ledger.books import BOOKS
from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine
from integrations.ledger.failed_writes import RESPONSE, FailedWrite
from integrations.ledger.queueing import entries_for, own_account, write_entries
from integrations.ledger.timings import Timings

BATCH = 500

# A row with changes that have not rested yet may be half edited: it is left until they have.
_DUE = """
    SELECT t.id, t.emag_order_id FROM {table} t
     WHERE t.account_type = :account AND NOT t.superseded
       AND t.sync_state IN ('pending', 'waiting', 'in_doubt')
       AND t.next_attempt_at <= least(clock_timestamp(), CAST(:due_by AS timestamptz))
       AND t.emag_order_id IS NOT NULL
       AND NOT EXISTS (SELECT FROM app.emag_order_leases l
                        WHERE l.platform = :platform AND l.emag_order_id = t.emag_order_id
                          AND l.expires_at > clock_timestamp())
       AND NOT EXISTS (SELECT FROM app.emag_changes c
                        WHERE c.kind = :kind AND c.row_id = t.{erp_id})
     ORDER BY t.next_attempt_at, t.id LIMIT :rows
"""

# Of an order, what may have reached eMAG already is settled before anything new is measured there.
_READ = f"""
    SELECT t.id, t.{{erp_id}} AS row_id, t.emag_order_id AS order_id, t.wanted_revision AS revision,
           t.{{emag_id}} AS emag_id, t.sent_at IS NOT NULL AS sent, t.reductions,
           t.sync_attempts AS attempts, t.waiting_for, t.erp_digest, t.emag_status::text,
           t.last_synced_at IS NOT NULL AS was_synced, t.origin,
           t.sync_state = 'in_doubt' AS in_doubt, {RESPONSE} AS failed_response
      FROM {{table}} t
     WHERE t.id = ANY(:ids) AND NOT t.superseded AND t.emag_order_id IS NOT NULL
       AND t.sync_state IN ('pending', 'waiting', 'in_doubt')
     ORDER BY t.sent_at IS NULL, t.id
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed row: what our books say of it and the ERP row as it is now (None: deleted).

    `stamp` tells whether the ERP row is still as it was. `had` is what eMAG had, in our words, when
    it had all that the row asked for and nothing was sent since; None where that was never so, or
    the ERP row is still what it was then. `is_wish` says that a customer's wish to cancel made the
    ERP row and eMAG has never had what it asks for. `begun` says that eMAG may have had some of it,
    `failed` what became of its last request if that came to nothing.
    """

    id: int
    row_id: int
    order_id: int
    revision: int
    emag_id: str | None
    sent: bool
    reductions: dict[str, Any] | None
    attempts: int
    row: ErpRow | None
    waiting_for: str | None = None
    stamp: int | None = None
    had: str | None = None
    is_wish: bool = False
    begun: bool = True
    failed: FailedWrite | None = None


async def claim(
    engine: Engine,
    schema: ErpSchema,
    accounts: Mapping[str, Account],
    account: Account,
    kind: Kind,
    token: uuid.UUID,
    holder: str,
    timings: Timings,
    *,
    require_approval: bool,
    rows: int = BATCH,
    due_by: datetime | None = None,
) -> list[Claim]:
    """Lease the orders of up to this many due rows and read the rows; empty when none is due.

    What the ERP does not let go any more is withdrawn here, if eMAG has had none of it.
    Rows that became due after `due_by` are left for another run.
    """
    while True:
        async with transaction(engine) as connection:
            due = await _due(connection, kind, account, rows, due_by)
            if not due:
                return []
            held = await leases.take(
                connection, account.platform, set(due.values()), token, holder, timings.lease
            )
            ids = [row_id for row_id, order_id in due.items() if order_id in held]
            claims = await _read(connection, schema, account, kind, ids, held)
            kept = await _send_back(
                connection, schema, accounts, account, kind, claims, timings, require_approval
            )
            idle = held - {each.order_id for each in kept}
        await leases.release(engine, account.platform, idle, token)
        if kept:
            return kept


async def _due(
    connection: Connection,
    kind: Kind,
    account: Account,
    rows: int,
    due_by: datetime | None,
) -> dict[int, int]:
    books = BOOKS[kind]
    found = await connection.execute(
        _DUE.format(table=books.name, erp_id=books.erp_id),
        {
            "account": account.name,
            "platform": account.platform,
            "kind": kind.value,
            "rows": rows,
            "due_by": due_by,
        },
    )
    return {row.id: row.emag_order_id for row in found}


async def _read(
    connection: Connection,
    schema: ErpSchema,
    account: Account,
    kind: Kind,
    ids: Collection[int],
    held: Collection[int],
) -> list[Claim]:
    books = BOOKS[kind]
    query = _READ.format(table=books.name, erp_id=books.erp_id, emag_id=books.emag_id)
    found = [
        row for row in await connection.execute(query, {"ids": list(ids)}) if row.order_id in held
    ]
    ids_of_erp = [row.row_id for row in found]
    # Stamps first: whatever is edited in between counts as changed.
    stamped = await load_stamps(connection, schema, kind, ids_of_erp)
    erp_rows = await load_rows(connection, schema, kind, ids_of_erp)
    new = [row.row_id for row in found if row.origin is None and not row.was_synced]
    wishes = await wishes_among(connection, schema, account.platform, kind, new)
    return [
        Claim(
            id=row.id,
            row_id=row.row_id,
            order_id=row.order_id,
            revision=row.revision,
            emag_id=row.emag_id,
            sent=row.sent,
            reductions=row.reductions,
            attempts=row.attempts,
            row=erp_rows.get(row.row_id),
            waiting_for=row.waiting_for,
            stamp=stamped.get(row.row_id),
            had=what_emag_had(row, erp_rows.get(row.row_id)),
            is_wish=row.row_id in wishes,
            begun=row.sent or row.was_synced,
            failed=FailedWrite.of(row.failed_response, in_doubt=row.in_doubt)
            if row.failed_response
            else None,
        )
        for row in found
    ]


async def wishes_among(
    connection: Connection,
    schema: ErpSchema,
    platform: str,
    kind: Kind,
    new: Collection[int],
) -> set[int]:
    """Which of these rows, of which eMAG has had nothing yet, customers' wishes to cancel made."""
    if kind is not Kind.CANCELLATION:
        return set()
    return await numbered_by_news(connection, schema, platform, new)


def what_emag_had(row: Any, erp_row: ErpRow | None) -> str | None:
    """A claim's `had`, by what our books say of the row."""
    if not row.was_synced or erp_row is None or row.erp_digest is None:
        return None
    word: str | None = row.emag_status
    return None if row.erp_digest == digest(erp_row, row.emag_id) else word


async def _send_back(
    connection: Connection,
    schema: ErpSchema,
    accounts: Mapping[str, Account],
    account: Account,
    kind: Kind,
    claims: Collection[Claim],
    timings: Timings,
    require_approval: bool,
) -> list[Claim]:
    """Queue rows anew that name another order or account by now, or are held back; keep others."""
    back = [
        each
        for each in claims
        if each.row
        and (
            _moved(each, each.row, accounts, account)
            or (not each.begun and held_back(each.row, require_approval))
        )
    ]
    if not back:
        return list(claims)
    # What was in doubt about the other order is no more to be settled by this row.
    await connection.execute(
        f"UPDATE {BOOKS[kind].name} SET sync_state = 'pending' WHERE id = ANY(:ids)",
        {"ids": [each.id for each in back]},
    )
    ids = [each.row_id for each in back]
    entries = await entries_for(connection, schema, accounts, kind, ids, require_approval)
    await write_entries(connection, kind, entries, timings)
    gone = {each.id for each in back}
    return [each for each in claims if each.id not in gone]


def _moved(claim: Claim, row: ErpRow, accounts: Mapping[str, Account], account: Account) -> bool:
    named = own_account(row.account, accounts)
    return row.order_id != claim.order_id or named != account.name
