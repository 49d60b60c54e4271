"""Persist outcomes: first our own books, where the lease still holds, then the ERP's columns."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from integrations.emag.accounts import Account
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.ledger import leases
from integrations.ledger.books import BOOKS, State
from integrations.ledger.database import storable, transaction
from integrations.ledger.engine import Engine
from integrations.ledger.timings import Timings

_RANDOM = random.SystemRandom()

# What the columns for eMAG's ids and for types hold, here and in the ERP.
LONGEST_ID = 100
LONGEST_TYPE = 50

# Rows are locked in the order in which folding locks them.
_PERSIST = """
    WITH outcomes AS (
        SELECT * FROM jsonb_to_recordset(CAST(:outcomes AS jsonb)) AS o(
               id bigint, order_id bigint, revision bigint, state text, waiting_for text,
               reason text, emag_id text, emag_status text, document_type text, response text,
               delay float8, failed boolean, digest text, write_back jsonb)),
    locked AS MATERIALIZED (
        SELECT t.id, t.wanted_revision FROM {table} t JOIN outcomes o ON o.id = t.id
         ORDER BY t.{erp_id} FOR UPDATE OF t)
    UPDATE {table} t SET
        sync_state = o.state_now,
        waiting_for = CASE WHEN o.moved THEN NULL ELSE o.waiting_for END,
        waiting_since = CASE WHEN o.state_now <> 'waiting' THEN NULL
                             WHEN t.waiting_for = o.waiting_for
                             THEN coalesce(t.waiting_since, clock_timestamp())
                             ELSE clock_timestamp() END,
        synced_revision = CASE WHEN o.final THEN o.revision ELSE t.synced_revision END,
        last_synced_at = CASE WHEN o.state = 'synced' THEN timezone('utc', clock_timestamp())
                              ELSE t.last_synced_at END,
        next_attempt_at = clock_timestamp() + CASE WHEN o.moved THEN interval '0'
                                                   ELSE make_interval(secs => o.delay) END,
        sync_attempts = CASE WHEN o.failed THEN t.sync_attempts + 1
                             WHEN o.state = 'pending' OR o.state = 'in_doubt' THEN t.sync_attempts
                             ELSE 0 END,
        error_message = o.reason,
        emag_response = coalesce(o.response, t.emag_response),
        {emag_id} = CASE WHEN o.state_now <> 'withdrawn' THEN coalesce(o.emag_id, t.{emag_id}) END,
        emag_status = coalesce(CAST(o.emag_status AS {status_type}), t.emag_status),
        {more}
        erp_digest = CASE WHEN o.final AND NOT o.moved THEN o.digest ELSE t.erp_digest END,
        platform = :platform, write_back = coalesce(o.write_back, t.write_back),
        updated_at = timezone('utc', clock_timestamp())
      FROM (SELECT o.*, l.wanted_revision > o.revision AND o.state <> 'in_doubt' AS moved,
                   CASE WHEN l.wanted_revision > o.revision AND o.state <> 'in_doubt'
                        THEN 'pending' ELSE o.state END AS state_now,
                   o.state IN ('synced', 'refused', 'withdrawn') AS final
              FROM outcomes o JOIN locked l ON l.id = o.id) o
     WHERE t.id = o.id AND t.emag_order_id = o.order_id AND t.account_type = :account
    RETURNING t.id, t.sync_state
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claimed row in this batch.

    Attributes:
        id, order_id, revision: the integration row, its order, the revision that was claimed.
        reason: one sentence for `error_message`; None clears it.
        emag_id, emag_status: what eMAG calls the row now; None leaves the books as they are.
        document_type: an invoice's type at eMAG.
        response: the last answer as JSON without customers' data.
        delay: seconds until the row is looked at again.
        failed: whether this counts as a failure of the row's own.
        digest: what the ERP row asked for.
    """

    id: int
    order_id: int
    revision: int
    state: State
    waiting_for: str | None = None
    reason: str | None = None
    emag_id: str | None = None
    emag_status: str | None = None
    document_type: str | None = None
    response: str | None = None
    delay: float = 0.0
    failed: bool = False
    digest: str | None = None


_FIELDS = [each.name for each in fields(Outcome)]


async def persist(
    engine: Engine,
    schema: ErpSchema,
    account: Account,
    kind: Kind,
    token: uuid.UUID,
    outcomes: Sequence[Outcome],
    *,
    write_back: bool,
) -> dict[int, State]:
    """Write outcomes whose lease still holds; the state that each such row has now, by its id.

    A row that the ERP changed again after it was claimed becomes `pending` whatever came out,
    unless it is in doubt: then what was sent has to be settled first. A row that names another
    order or account by now is left as folding left it.
    """
    books = BOOKS[kind]
    status = schema.column(books.table, "emag_status")
    query = _PERSIST.format(
        table=books.name,
        erp_id=books.erp_id,
        emag_id=books.emag_id,
        status_type=status.type_name if status else "text",
        more="emag_invoice_type = coalesce(o.document_type, t.emag_invoice_type),"
        if kind is Kind.INVOICE
        else "",
    )
    async with transaction(engine) as connection:
        held = await leases.lock_held(
            connection, account.platform, {each.order_id for each in outcomes}, token
        )
        kept = [_fitting(each) for each in outcomes if each.order_id in held]
        documents = [_document(kind, schema, each, write_back) for each in kept]
        rows = await connection.execute(
            query,
            {
                "outcomes": json.dumps(documents, ensure_ascii=False),
                "platform": account.platform,
                "account": account.name,
            },
        )
        return {row.id: State(row.sync_state) for row in rows}


def _fitting(outcome: Outcome) -> Outcome:
    """The outcome with texts that the columns can hold, whatever eMAG has put into them."""
    return replace(
        outcome,
        reason=_stored(outcome.reason),
        response=_stored(outcome.response),
        emag_id=(_stored(outcome.emag_id) or "")[:LONGEST_ID] or None,
        document_type=(outcome.document_type or "")[:LONGEST_TYPE] or None,
    )


def _stored(value: str | None) -> str | None:
    return None if value is None else storable(value)


def _document(
    kind: Kind, schema: ErpSchema, outcome: Outcome, write_back: bool
) -> dict[str, object]:
    """The outcome as the statement takes it, its words in the form that the columns have."""
    document: dict[str, object] = {name: getattr(outcome, name) for name in _FIELDS}
    document["write_back"] = written_back(kind, outcome) if write_back else None
    status = schema.column(BOOKS[kind].table, "emag_status")
    document["emag_status"] = status.stored(outcome.emag_status) if status else None
    return document


def written_back(kind: Kind, outcome: Outcome) -> Mapping[str, str] | None:
    """The values that the ERP's own columns should show; None where there are none."""
    values = {BOOKS[kind].emag_id: outcome.emag_id}
    if kind is Kind.RMA:
        values["emag_status"] = outcome.emag_status
    return {name: value for name, value in values.items() if value is not None} or None


def pause_after(attempts: int, timings: Timings) -> float:
    """Seconds to pause after failure number `attempts` + 1, with jitter."""
    return backoff(attempts, timings, _RANDOM.random())


def backoff(attempts: int, timings: Timings, spread: float) -> float:
    """Seconds to pause after a row's failure number `attempts` + 1; `spread` in 0..1 is jitter."""
    pause = min(timings.backoff_most, timings.backoff_first * 2.0 ** min(attempts, 20))
    return pause * (0.75 + 0.5 * spread)
