"""How far eMAG's news is stored: a cursor per platform, account and resource.

It never moves back. Another platform's says nothing of this one: an account that was tried at the
sandbox begins anew at eMAG.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine

_READ = """
    SELECT position, detail FROM app.emag_platform_cursors
     WHERE platform = :platform AND account = :account AND resource = :resource
"""

# Never past now: what happens a moment later must still be in front of it.
_MOVE = """
    INSERT INTO app.emag_platform_cursors AS c (platform, account, resource, position, detail)
    VALUES (:platform, :account, :resource, least(:position, clock_timestamp()),
            CAST(:detail AS jsonb))
    ON CONFLICT (platform, account, resource) DO UPDATE
       SET position = greatest(c.position, excluded.position),
           detail = coalesce(excluded.detail, c.detail), updated_at = clock_timestamp()
"""

_PLACE = """
    INSERT INTO app.emag_platform_cursors (platform, account, resource, position, detail)
    VALUES (:platform, :account, :resource, :position, CAST(:detail AS jsonb))
    ON CONFLICT (platform, account, resource) DO UPDATE
       SET position = excluded.position, detail = excluded.detail, updated_at = clock_timestamp()
"""


@dataclass(frozen=True)
class Cursor:
    """Everything up to `position` (aware UTC) is stored; `detail` is the resource's own."""

    position: datetime
    detail: Mapping[str, Any] | None = None


async def read_cursor(engine: Engine, platform: str, account: str, resource: str) -> Cursor | None:
    """Where the resource stands, None before its first window was stored."""
    async with autocommit(engine) as connection:
        found = await connection.execute(
            _READ, {"platform": platform, "account": account, "resource": resource}
        )
        row = found.first()
    return Cursor(row.position, row.detail) if row and row.position else None


async def move_cursor(
    engine: Engine,
    platform: str,
    account: str,
    resource: str,
    position: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Note that everything up to `position` is stored: every page of its window, and every row."""
    async with autocommit(engine) as connection:
        await connection.execute(_MOVE, _cursor(platform, account, resource, position, detail))


async def place_cursor(
    engine: Engine,
    platform: str,
    account: str,
    resource: str,
    position: datetime,
    detail: Mapping[str, Any],
) -> None:
    """Begin anew at `position`, wherever the cursor stood."""
    async with autocommit(engine) as connection:
        await connection.execute(_PLACE, _cursor(platform, account, resource, position, detail))


def _cursor(
    platform: str, account: str, resource: str, position: datetime, detail: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "platform": platform,
        "account": account,
        "resource": resource,
        "position": position,
        "detail": None if detail is None else orjson.dumps(detail).decode(),
    }
