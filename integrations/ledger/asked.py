"""Which of the ERP's cancellations a person was asked about and has not approved, by account."""

from __future__ import annotations

from collections.abc import Collection

import orjson

from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine
from integrations.ledger.matters import ASKED

_READ = """
    SELECT jsonb_array_elements(detail->'rows')::bigint AS row_id FROM app.emag_cursors
     WHERE account = :account AND resource = :resource
"""

# What was asked about before and is not settled stays, though it may not be due at the moment.
_NOTE = """
    INSERT INTO app.emag_cursors AS c (account, resource, detail)
    VALUES (:account, :resource, jsonb_build_object('rows', CAST(:rows AS jsonb)))
    ON CONFLICT (account, resource) DO UPDATE
       SET updated_at = clock_timestamp(),
           detail = jsonb_build_object('rows', (
               SELECT jsonb_agg(row_id)
                 FROM (SELECT jsonb_array_elements(excluded.detail->'rows') AS row_id
                        UNION
                       SELECT row_id FROM jsonb_array_elements(c.detail->'rows') AS row_id
                        WHERE EXISTS (
                              SELECT FROM app.emag_cancellation_integrations b
                               WHERE b.cancellation_request_id = row_id::bigint
                                 AND NOT b.superseded
                                 AND b.sync_state IN ('pending', 'waiting', 'in_doubt'))) r))
"""

_FORGET = "DELETE FROM app.emag_cursors WHERE account = :account AND resource = :resource"


async def asked_about(engine: Engine, account: str) -> frozenset[int]:
    """The numbers of these rows of the ERP's; some may be settled by now."""
    async with autocommit(engine) as connection:
        found = await connection.execute(_READ, {"account": account, "resource": ASKED})
        return frozenset(found.scalars())


async def note_asked(engine: Engine, account: str, rows: Collection[int]) -> None:
    """Note that a person is asked about these rows, which there is at least one of."""
    noted = {
        "account": account,
        "resource": ASKED,
        "rows": orjson.dumps(sorted(rows)).decode(),
    }
    async with autocommit(engine) as connection:
        await connection.execute(_NOTE, noted)


async def forget_asked(engine: Engine, account: str) -> None:
    """All of them were approved."""
    async with autocommit(engine) as connection:
        await connection.execute(_FORGET, {"account": account, "resource": ASKED})
