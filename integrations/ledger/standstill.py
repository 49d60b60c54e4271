"""Cursors of the way in that stand still although eMAG is being read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from integrations.emag.accounts import Account
from integrations.erp.connection import Connection

# A run that has only just begun may still move it. Listings are reads that name no order.
_STILL = """
    SELECT c.account, c.resource, c.position
      FROM unnest(CAST(:platforms AS text[]), CAST(:accounts AS text[])) AS a (platform, account)
      JOIN app.emag_platform_cursors c ON c.platform = a.platform AND c.account = a.account
      JOIN (VALUES ('orders:', 'order/read'), ('returns:', 'rma/read')) AS r (resource, route)
        ON starts_with(c.resource, r.resource)
     WHERE c.position < statement_timestamp() - interval '1 hour'
       AND EXISTS (
           SELECT FROM app.emag_api_calls k
            WHERE k.platform = c.platform AND k.account = c.account AND k.route = r.route
              AND k.order_ids = '{}'
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


async def still_cursors(connection: Connection, accounts: Sequence[Account]) -> list[Standstill]:
    """The cursors of these accounts that stand still, over a connection in autocommit."""
    asked = {
        "platforms": [each.platform for each in accounts],
        "accounts": [each.name for each in accounts],
    }
    rows = (await connection.execute(_STILL, asked)).rows
    return [Standstill(**row._asdict()) for row in rows]
