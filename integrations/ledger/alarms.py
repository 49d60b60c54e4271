"""Alarms come before a deadline does, and each is told once; a deadline that moves is another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from integrations.emag.accounts import Account
from integrations.ledger.deadlines import (
    DUE,
    Connection,
    Deadline,
    Hours,
    deadline_of,
    fetch,
    horizon,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

# More are told by the next run: what a shop has long missed must not flood its inbox at once.
MOST = 200

# Whoever inserts an alarm, or stamps one that nobody has, tells it. Always in the same order, so
# that two runs can't wait for each other, and what can still be kept before what was missed.
_RAISE = f"""
    WITH due AS MATERIALIZED ({DUE}),
    raised AS (
        INSERT INTO app.emag_alarms AS a (platform, account, about, subject, due_at, told_at)
        SELECT platform, account, about, subject, due_at, clock_timestamp()
          FROM due d
         WHERE NOT EXISTS (
               SELECT FROM app.emag_alarms k
                WHERE k.platform = d.platform AND k.about = d.about AND k.subject = d.subject
                  AND k.due_at = d.due_at AND k.told_at IS NOT NULL)
         ORDER BY due_at DESC, platform, about, subject LIMIT %(most)s
        ON CONFLICT (platform, about, subject, due_at) DO UPDATE
           SET told_at = excluded.told_at WHERE a.told_at IS NULL
        RETURNING platform, about, subject, due_at)
    SELECT due.* FROM due JOIN raised USING (platform, about, subject, due_at)
     ORDER BY due_at, subject
"""

_RAISED = f"""
    WITH due AS MATERIALIZED ({DUE})
    SELECT due.* FROM due
      JOIN app.emag_alarms a USING (platform, about, subject, due_at)
     ORDER BY due_at DESC, subject LIMIT %(most)s
"""


async def raise_alarms(
    engine: AsyncEngine, accounts: Sequence[Account], hours: Hours
) -> list[Deadline]:
    """Raise what is due within `hours.alarm` or late; those that are the caller's to tell now."""
    from integrations.ledger.database import driver

    async with driver(engine) as connection:
        return await raise_over(connection, accounts, hours)


async def raise_over(
    connection: Connection, accounts: Sequence[Account], hours: Hours
) -> list[Deadline]:
    """The same over a connection in autocommit."""
    values = {**horizon(accounts, hours, hours.alarm), "most": MOST}
    return [deadline_of(row) for row in await fetch(connection, _RAISE, values)]


async def alarms_of(
    connection: Connection, accounts: Sequence[Account], hours: Hours, most: int
) -> list[Deadline]:
    """Alarms that were raised and whose cause is still there, the furthest deadlines first."""
    values = {**horizon(accounts, hours, hours.alarm), "most": most}
    return [deadline_of(row) for row in await fetch(connection, _RAISED, values)]
