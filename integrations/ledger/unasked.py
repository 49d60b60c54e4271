"""Which cancellations went without a person's word in the last hour, by account."""

from __future__ import annotations

from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine

# The cursor whose position is when a person last let cancellations go: the hour begins anew then.
_ALLOWED = "cancellations-allowed"

_WENT = """
    SELECT cancellation_request_id FROM app.emag_cancellation_integrations
     WHERE account_type = :account AND NOT superseded
       AND unasked_at > greatest(
               clock_timestamp() - interval '1 hour',
               (SELECT position FROM app.emag_cursors
                 WHERE account = :account AND resource = :resource))
"""

_BEGIN_ANEW = """
    INSERT INTO app.emag_cursors (account, resource, position)
    VALUES (:account, :resource, clock_timestamp())
    ON CONFLICT (account, resource) DO UPDATE
       SET position = excluded.position, updated_at = clock_timestamp()
"""


async def went_unasked(engine: Engine, account: str) -> frozenset[int]:
    """The numbers of these rows of the ERP's, whatever became of what was sent for them."""
    async with autocommit(engine) as connection:
        found = await connection.execute(_WENT, {"account": account, "resource": _ALLOWED})
        return frozenset(found.scalars())


async def begin_anew(engine: Engine, account: str) -> None:
    """A person has let cancellations go: what went before that counts no more."""
    async with autocommit(engine) as connection:
        await connection.execute(_BEGIN_ANEW, {"account": account, "resource": _ALLOWED})
