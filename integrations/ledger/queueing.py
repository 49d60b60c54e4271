"""What our books say of an ERP row before any plan: whose it is, whether it is carried."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

from integrations.emag.accounts import Account
from integrations.erp.connection import Connection
from integrations.erp.load import NO_ORDER, fetch_fields, load_rows, order_text
from integrations.erp.rows import CancellationRow, ErpRow, Kind, held_back, queued
from integrations.erp.schema import ErpSchema
from integrations.ledger.books import A_PART, BOOKS, State
from integrations.ledger.timings import Timings

# A row in doubt only learns that more is wanted: what was sent has to be settled first. A row that
# names another order, or a platform where that is another, after something was sent about the first
# is a person's matter. What the ERP does not let go any more is withdrawn, unless eMAG has had some
# of it: then the plan decides. That a cancellation had items is kept: should it lose them, it is
# not taken for one of the whole order. Whether a row is known is asked by a scalar subquery, since
# EXISTS would be hashed from all of the books.
_QUEUE = """
    INSERT INTO {table} AS t ({erp_id}, platform, emag_order_id, account_type, sync_state,
        waiting_for, waiting_since, error_message, next_attempt_at, queued_at, wanted_revision,
        sync_attempts, reductions, created_at, updated_at)
    SELECT f.row_id, f.platform, f.order_id, f.account, f.state, f.waiting_for,
           CASE WHEN f.state = 'waiting' THEN clock_timestamp() END, f.reason,
           clock_timestamp() + CASE WHEN f.state = 'waiting'
               THEN make_interval(secs => :look_again) ELSE interval '0' END,
           clock_timestamp(), 1, 0, CASE WHEN f.is_part THEN CAST(:a_part AS jsonb) END,
           timezone('utc', clock_timestamp()), timezone('utc', clock_timestamp())
      FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS f(
           row_id bigint, order_id bigint, account text, platform text, state text,
           waiting_for text, reason text, admits boolean, is_part boolean)
     WHERE f.admits OR (SELECT b.id FROM {table} b
                         WHERE b.{erp_id} = f.row_id AND NOT b.superseded LIMIT 1) IS NOT NULL
     ORDER BY f.row_id
    ON CONFLICT ({erp_id}) WHERE NOT superseded DO UPDATE SET
        sync_state = CASE WHEN {in_doubt} THEN t.sync_state WHEN {astray} THEN 'refused'
                          WHEN {held} AND {begun} THEN 'pending' ELSE excluded.sync_state END,
        error_message = CASE WHEN {in_doubt} THEN t.error_message
            WHEN {astray} THEN 'A request about order ' || t.emag_order_id || ' was sent before the'
                ' row came to name another: check that order at eMAG, then replay the row.'
            ELSE excluded.error_message END,
        emag_order_id = CASE WHEN {in_doubt} THEN t.emag_order_id ELSE excluded.emag_order_id END,
        next_attempt_at = CASE WHEN {in_doubt} THEN t.next_attempt_at
                               ELSE excluded.next_attempt_at END,
        queued_at = CASE WHEN t.sync_state IN ('pending', 'waiting', 'in_doubt')
                         THEN coalesce(t.queued_at, excluded.queued_at) ELSE excluded.queued_at END,
        sent_at = CASE WHEN {in_doubt} OR NOT {moved} THEN t.sent_at END,
        reductions = CASE WHEN {in_doubt} THEN t.reductions WHEN {moved} THEN excluded.reductions
            WHEN t.sent_at IS NULL AND t.origin IS NULL
            THEN coalesce(t.reductions, excluded.reductions) ELSE t.reductions END,
        {emag_id} = CASE WHEN {in_doubt} OR NOT {moved} THEN nullif(t.{emag_id}, '') END,
        erp_digest = CASE WHEN {in_doubt} OR NOT ({moved} OR {held} AND NOT {begun})
                          THEN t.erp_digest END,
        last_synced_at = CASE WHEN {in_doubt} OR NOT {moved} THEN t.last_synced_at END,
        wanted_revision = t.wanted_revision + 1, sync_attempts = 0,
        write_back = CASE WHEN NOT {moved} THEN t.write_back END,
        account_type = CASE WHEN {in_doubt} THEN t.account_type ELSE excluded.account_type END,
        platform = CASE WHEN {in_doubt} THEN t.platform ELSE excluded.platform END,
        waiting_for = CASE WHEN {in_doubt} THEN t.waiting_for ELSE excluded.waiting_for END,
        waiting_since = CASE WHEN {in_doubt} THEN t.waiting_since
                             ELSE excluded.waiting_since END,
        updated_at = timezone('utc', clock_timestamp())
    RETURNING t.{erp_id} AS row_id, t.account_type AS account, t.sync_state AS state,
              t.error_message AS reason
"""

# A row of an unknown account names no platform, and comes back to its own most often.
_ELSEWHERE = (
    "(t.emag_order_id IS DISTINCT FROM excluded.emag_order_id OR t.platform <> excluded.platform)"
)

_CONDITIONS = {
    "in_doubt": "t.sync_state = 'in_doubt'",
    "moved": f"(t.emag_order_id IS NOT NULL AND {_ELSEWHERE})",
    "astray": f"(t.sent_at IS NOT NULL AND {_ELSEWHERE})",
    "held": "excluded.sync_state = 'withdrawn'",
    "begun": "(t.sent_at IS NOT NULL OR t.last_synced_at IS NOT NULL)",
}


@dataclass(frozen=True)
class Entry:
    """What folding writes about one ERP row; `admits` says whether a new row may be queued.

    The state is `withdrawn` where the ERP does not let the row go. `is_part` says that a
    cancellation has items.
    """

    row_id: int
    order_id: int | None
    account: str | None
    platform: str | None
    state: State
    waiting_for: str | None
    reason: str | None
    admits: bool
    is_part: bool = False


@dataclass(frozen=True)
class Refusal:
    """A row that was refused before any plan; `account` is None where it names none of ours."""

    kind: Kind
    row_id: int
    account: str | None
    reason: str


async def entries_for(
    connection: Connection,
    schema: ErpSchema,
    accounts: Mapping[str, Account],
    kind: Kind,
    ids: Collection[int],
    require_approval: bool,
) -> list[Entry]:
    """What the books should say of these ERP rows before any plan, but for rows that are gone."""
    rows = await load_rows(connection, schema, kind, list(ids))
    unusable = [row_id for row_id, row in rows.items() if row.order_id == NO_ORDER]
    texts = await fetch_fields(connection, schema, kind, unusable) if unusable else {}
    return [
        _entry(
            row,
            accounts,
            order_text(kind, texts[row.id]) if row.id in texts else None,
            admits=queued(row, require_approval),
            held=held_back(row, require_approval),
        )
        for row in rows.values()
    ]


def _entry(
    row: ErpRow,
    accounts: Mapping[str, Account],
    unusable: str | None,
    *,
    admits: bool,
    held: bool,
) -> Entry:
    name = own_account(row.account, accounts)
    account = accounts.get(name)
    platform = account.platform if account else None
    stored = (name or row.account)[:10] or None
    part = isinstance(row, CancellationRow) and bool(row.items)
    if row.order_id == NO_ORDER:
        reason = (
            f"The number '{(unusable or '')[:40]}' is no eMAG order number:"
            " put a number from 1 to 4294967295 into emag_order_id."
        )
        return Entry(row.id, None, stored, platform, State.REFUSED, None, reason, admits, part)
    if account is None:
        reason = (
            f"No account named '{row.account[:40]}' is configured:"
            " correct account_type or add the account."
        )
        return Entry(
            row.id, row.order_id, stored, None, State.WAITING, "account", reason, admits, part
        )
    state = State.WITHDRAWN if held else State.PENDING
    return Entry(row.id, row.order_id, stored, platform, state, None, None, admits, part)


def own_account(name: str, accounts: Mapping[str, Account]) -> str:
    """The configured account a row belongs to; a row that names none belongs to the only one."""
    if not name and len(accounts) == 1:
        return next(iter(accounts))
    return name


async def write_entries(
    connection: Connection, kind: Kind, entries: Collection[Entry], timings: Timings
) -> list[Refusal]:
    """Raise the wanted revision of these rows and make them due, queueing the new ones.

    Returns those that no plan is needed for to refuse them.
    """
    if not entries:
        return []
    books = BOOKS[kind]
    query = _QUEUE.format(
        table=books.name, erp_id=books.erp_id, emag_id=books.emag_id, **_CONDITIONS
    )
    queued_rows = await connection.execute(
        query,
        {
            "entries": json.dumps([asdict(entry) for entry in entries], ensure_ascii=False),
            "look_again": timings.look_again,
            "a_part": json.dumps(A_PART),
        },
    )
    return [
        Refusal(kind, row.row_id, row.account, row.reason)
        for row in queued_rows
        if row.state == State.REFUSED
    ]
