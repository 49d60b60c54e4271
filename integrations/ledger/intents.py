"""The intent: one commit that enters a write as sent, if nothing stands against it any more.

Either all of a lot is entered, or nothing is. What it takes goes to the database at once, for it
goes with every write.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from integrations.emag.accounts import Account
from integrations.emag.routes import Route
from integrations.erp.load import stamps
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.ledger.books import BOOKS
from integrations.ledger.calls import ENTRY, Call, Subject, entry
from integrations.ledger.claims import Claim
from integrations.ledger.engine import Engine
from integrations.ledger.leases import EXTEND, LOCK
from integrations.ledger.line import Use, line
from integrations.ledger.sealing import Sealer

# Leases are locked before rows, and rows in the order in which folding locks them. What stands in
# the ERP is looked at by a statement of its own: once the leases are locked, however long it took.
_INTEND = """
    {lock};
    WITH intents AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:intents AS jsonb))
            AS i(id bigint, row_id bigint, order_id bigint, stamp bigint, reductions jsonb)),
    held AS MATERIALIZED (
        SELECT emag_order_id FROM app.emag_order_leases
         WHERE platform = :platform AND emag_order_id = ANY(:orders) AND token = :token
           AND expires_at > clock_timestamp()),
    judged AS MATERIALIZED (
        SELECT i.id, h.emag_order_id IS NOT NULL AS held,
               r.stamp IS NOT DISTINCT FROM i.stamp AS unchanged
          FROM intents i
          LEFT JOIN held h ON h.emag_order_id = i.order_id
          LEFT JOIN ({stamps}) r ON r.id = i.row_id),
    fit AS MATERIALIZED (SELECT FROM judged HAVING bool_and(held AND unchanged)),
    locked AS MATERIALIZED (
        SELECT t.id FROM {table} t JOIN intents i ON i.id = t.id
         WHERE EXISTS (SELECT FROM fit)
         ORDER BY t.{erp_id} FOR UPDATE OF t),
    extended AS ({extend} AND EXISTS (SELECT FROM fit)),
    intended AS (
        UPDATE {table} t SET sent_at = coalesce(t.sent_at, clock_timestamp()),
               {noted}reductions = coalesce(i.reductions, t.reductions), erp_digest = NULL
          FROM intents i JOIN locked l ON l.id = i.id
         WHERE t.id = i.id),
    entry AS ({entry})
    SELECT (SELECT sent_at FROM entry) AS sent_at, (SELECT dead_at FROM entry) AS dead_at,
           array(SELECT id FROM judged WHERE NOT held) AS lost,
           array(SELECT id FROM judged WHERE held AND NOT unchanged) AS changed
"""

# How many cancellations went without a person's word is counted by the hour (`unasked.py`).
_NOTED = "unasked_at = clock_timestamp(), "

# Who waits for a lock of an ERP's table holds up rows of that kind alone.
USES = {
    Kind.RMA: Use.RMA_INTENTS,
    Kind.CANCELLATION: Use.CANCELLATION_INTENTS,
    Kind.INVOICE: Use.INVOICE_INTENTS,
}


@dataclass(frozen=True)
class Intent:
    """A claimed row about which a request is to leave, and what that takes off the order's lines.

    `reductions` is what the books shall hold of it from now on; None leaves what they hold.
    """

    claim: Claim
    reductions: dict[str, Any] | None = None


@dataclass(frozen=True)
class Hindered:
    """Why nothing was entered, by integration rows.

    Attributes:
        lost: their orders are not leased to us any more.
        changed: the ERP's row is not as it was when it was claimed.
    """

    lost: Collection[int]
    changed: Collection[int]


async def intend(
    engine: Engine,
    schema: ErpSchema,
    kind: Kind,
    account: Account,
    token: UUID,
    intents: Sequence[Intent],
    route: Route,
    subject: Subject,
    body: Any,
    *,
    life: float,
    sealer: Sealer | None,
    by_word: bool = False,
) -> Call | Hindered:
    """Enter a request as sent, for all of the rows or for none.

    `life` is how many seconds from now the request can still take effect at eMAG: so long the
    orders stay leased. `by_word` says that a person has let it go.

    Raises:
        psycopg.Error: what was sent to the database failed. Where `is_undone` does not say so of
            the error, it may have been entered all the same.
    """
    claims = [each.claim for each in intents]
    values = {
        **entry(account.name, account.platform, route, subject, body, life, sealer),
        "token": token,
        "orders": sorted({claim.order_id for claim in claims}),
        "erp_ids": [claim.row_id for claim in claims],
        "intents": json.dumps([_document(each) for each in intents]),
    }
    entered = await line(engine, USES[kind]).last_row(
        _statement(kind, schema, by_word=by_word), values
    )
    if entered.sent_at is None:
        return Hindered(lost=frozenset(entered.lost), changed=frozenset(entered.changed))
    return Call(values["id"], entered.sent_at, entered.dead_at)


def _document(intent: Intent) -> dict[str, Any]:
    claim = intent.claim
    return {
        "id": claim.id,
        "row_id": claim.row_id,
        "order_id": claim.order_id,
        "stamp": claim.stamp,
        "reductions": intent.reductions,
    }


def _statement(kind: Kind, schema: ErpSchema, *, by_word: bool) -> str:
    books = BOOKS[kind]
    counts = kind is Kind.CANCELLATION and not by_word
    return _INTEND.format(
        lock=LOCK,
        extend=EXTEND,
        table=books.name,
        erp_id=books.erp_id,
        noted=_NOTED if counts else "",
        stamps=stamps(schema, kind, ":erp_ids"),
        entry=ENTRY.format(wait="0", slot="FROM fit"),
    )
