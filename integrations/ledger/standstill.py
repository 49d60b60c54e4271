"""Cursors of the way in that stand still although eMAG is being read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from integrations.ledger.deadlines import Connection, fetch

# A run that has only just begun may still move it. Listings are reads that name no order.
_STILL = """
    SELECT c.account, c.resource, c.position
      FROM app.emag_cursors c
      JOIN (VALUES ('orders:', 'order/read'), ('returns:', 'rma/read')) AS r (resource, route)
        ON starts_with(c.resource, r.resource)
     WHERE c.account = ANY(%(accounts)s)
       AND c.position < statement_timestamp() - interval '1 hour'
       AND EXISTS (
           SELECT FROM app.emag_api_calls k
            WHERE k.account = c.account AND k.route = r.route AND k.order_ids = '{}'
              AND k.verdict <> 'unsent'
              AND k.sent_at > statement_timestamp() - interval '1 hour'
              AND k.sent_at < statement_timestamp() - interval '15 minutes')
     ORDER BY c.account, c.resource
"""


@dataclass(frozen=True)
class Standstill:
    """A cursor that has not moved for an hour while runs took place."""

    account: str
    resource: str
    position: datetime


async def still_cursors(connection: Connection, accounts: Sequence[str]) -> list[Standstill]:
    """The cursors of these accounts that stand still, over a connection in autocommit."""
    rows = await fetch(connection, _STILL, {"accounts": list(accounts)})
    return [Standstill(**row._asdict()) for row in rows]
