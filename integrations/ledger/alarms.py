"""Alarms come before a deadline does, and each is told once; a deadline that moves is another.

Any run raises an alarm: it stands in the inbox then. One that somebody hears tells what was raised.
"""

from __future__ import annotations

from collections.abc import Sequence

from integrations.emag.accounts import Account
from integrations.erp.connection import Connection
from integrations.ledger.database import autocommit
from integrations.ledger.deadlines import (
    DUE,
    Deadline,
    Hours,
    deadline_of,
    horizon,
)
from integrations.ledger.engine import Engine

# More are told by the next run: what a shop has long missed must not flood its inbox at once.
MOST = 200

# Deleted in one statement.
AT_ONCE = 10_000

# Always in the same order, so that two runs can't wait for each other, and what can still be kept
# before what was missed.
_RAISE = f"""
    WITH due AS MATERIALIZED ({DUE}),
    raised AS (
        INSERT INTO app.emag_alarms (platform, account, about, subject, due_at)
        SELECT platform, account, about, subject, due_at
          FROM due d
         WHERE NOT EXISTS (
               SELECT FROM app.emag_alarms k
                WHERE k.platform = d.platform AND k.about = d.about AND k.subject = d.subject
                  AND k.due_at = d.due_at)
         ORDER BY due_at DESC, platform, about, subject LIMIT :most
        ON CONFLICT (platform, about, subject, due_at) DO NOTHING
        RETURNING platform, about, subject, due_at)
    SELECT due.* FROM due JOIN raised USING (platform, about, subject, due_at)
     ORDER BY due_at, subject
"""

# Whoever stamps an alarm tells it: what another run is about to stamp is that run's.
_TAKE = f"""
    WITH due AS MATERIALIZED ({DUE}),
    untold AS MATERIALIZED (
        SELECT platform, about, subject, due_at
          FROM due JOIN app.emag_alarms a USING (platform, about, subject, due_at)
         WHERE a.told_at IS NULL
         ORDER BY due_at DESC, platform, about, subject LIMIT :most
           FOR UPDATE OF a SKIP LOCKED),
    told AS (
        UPDATE app.emag_alarms a SET told_at = clock_timestamp() FROM untold u
         WHERE a.platform = u.platform AND a.about = u.about AND a.subject = u.subject
           AND a.due_at = u.due_at
        RETURNING a.platform, a.about, a.subject, a.due_at)
    SELECT due.* FROM due JOIN told USING (platform, about, subject, due_at)
     ORDER BY due_at, subject
"""

_RAISED = f"""
    WITH due AS MATERIALIZED ({DUE})
    SELECT due.* FROM due
      JOIN app.emag_alarms a USING (platform, about, subject, due_at)
     ORDER BY due_at DESC, subject LIMIT :most
"""

# Only what can't be raised anew by the same deadline, however the hours are set: a document so late
# is no longer looked for, and what was closed long ago stays closed. Without its row in the mirror
# nobody knows, and the alarm stays. In order, so that two never wait for each other.
_FORGET = """
    DELETE FROM app.emag_alarms WHERE (platform, about, subject, due_at) IN (
        SELECT a.platform, a.about, a.subject, a.due_at FROM app.emag_alarms a
         WHERE a.due_at < statement_timestamp() - make_interval(days => :days + 1)
           AND (a.about = 'document'
                OR a.about = 'return' AND EXISTS (
                   SELECT FROM app.emag_returns r
                    WHERE r.platform = a.platform AND r.emag_id = a.subject::bigint
                      AND r.status IN (4, 5, 7)
                      AND r.changed_at < statement_timestamp() - make_interval(days => :days))
                OR a.about = 'wish' AND EXISTS (
                   SELECT FROM app.emag_orders o
                    WHERE o.platform = a.platform AND o.order_id = a.subject::bigint
                      AND o.status IN (0, 4, 5)
                      AND o.changed_at < statement_timestamp() - make_interval(days => :days)))
         ORDER BY a.platform, a.about, a.subject, a.due_at LIMIT :most FOR UPDATE SKIP LOCKED)
"""


async def forget_settled(engine: Engine, days: int) -> int:
    """Delete alarms that have been settled for so many days, 30 at least; how many.

    None of them could be told again because of that.
    """
    forgotten = 0
    async with autocommit(engine) as connection:
        values = {"days": max(days, 30), "most": AT_ONCE}
        while gone := (await connection.execute(_FORGET, values)).rowcount:
            forgotten += gone
    return forgotten


async def raise_alarms(
    connection: Connection, accounts: Sequence[Account], hours: Hours
) -> list[Deadline]:
    """Raise what is due within `hours.alarm` or late; those that nobody has raised before.

    The connection is in autocommit.
    """
    values = {**horizon(accounts, hours, hours.alarm), "most": MOST}
    return [deadline_of(row) for row in await connection.execute(_RAISE, values)]


async def take_alarms(
    connection: Connection, accounts: Sequence[Account], hours: Hours
) -> list[Deadline]:
    """Alarms that were raised and told by nobody; from now on they count as told.

    The connection is in autocommit. One whose cause is gone meanwhile is not among them.
    """
    values = {**horizon(accounts, hours, hours.alarm), "most": MOST}
    return [deadline_of(row) for row in await connection.execute(_TAKE, values)]


async def alarms_of(
    connection: Connection, accounts: Sequence[Account], hours: Hours, most: int
) -> list[Deadline]:
    """Alarms that were raised and whose cause is still there, the furthest deadlines first."""
    values = {**horizon(accounts, hours, hours.alarm), "most": most}
    return [deadline_of(row) for row in await connection.execute(_RAISED, values)]
