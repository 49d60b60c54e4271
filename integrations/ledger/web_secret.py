"""The secret of this installation's own addresses: made once, kept with the books."""

from __future__ import annotations

import secrets

from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine

RESOURCE = "web-secret"

_MAKE = """
    INSERT INTO app.emag_cursors (account, resource, detail)
    VALUES ('', :resource, jsonb_build_object('secret', CAST(:secret AS text)))
    ON CONFLICT (account, resource) DO NOTHING
"""

_READ = """
    SELECT detail->>'secret' AS secret FROM app.emag_cursors
     WHERE account = '' AND resource = :resource
"""


async def web_secret(engine: Engine) -> bytes:
    """What callback addresses and names of documents are derived from; the same on every host."""
    async with autocommit(engine) as connection:
        made = {"resource": RESOURCE, "secret": secrets.token_hex(32)}
        await connection.execute(_MAKE, made)
        found = await connection.execute(_READ, {"resource": RESOURCE})
        return bytes.fromhex(str(found.scalar_one()))
