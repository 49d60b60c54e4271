"""Rows whose last request came to nothing, or may have: whose fault that was is not known yet."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.erp.rows import Kind
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit

# What an earlier integration has left in the column may be anything.
_FAILED = """
    SELECT id, sync_state = 'in_doubt' AS in_doubt, emag_response::text AS response
      FROM {table}
     WHERE id = ANY(:ids) AND emag_response::text ~ '"verdict": ?"(unknown|unavailable)"'
"""


@dataclass(frozen=True, slots=True)
class FailedWrite:
    """A row's last request, which was lost or could not be served.

    `message` is what was said of it, `in_doubt` whether what it did has still to be read.
    """

    message: str
    in_doubt: bool


async def failed_writes(
    engine: AsyncEngine, kind: Kind, ids: Collection[int]
) -> dict[int, FailedWrite]:
    """The last requests that failed, by integration row; rows that are not there have none."""
    query = text(_FAILED.format(table=BOOKS[kind].name))
    async with autocommit(engine) as connection:
        found = await connection.execute(query, {"ids": list(ids)})
        return {row.id: FailedWrite(_message(row.response), row.in_doubt) for row in found}


def _message(response: str) -> str:
    try:
        return str(json.loads(response)["message"])
    except (ValueError, KeyError, TypeError):
        return "eMAG's answer is not known"
