"""What first contact with a real shop showed where eMAG's behaviour is uncertain."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from integrations.ledger.cursors import move_cursor, read_cursor
from integrations.ledger.engine import Engine

RESOURCE = "profile"


@dataclass(frozen=True)
class Profile:
    """How eMAG answers this account; None where nothing could be told.

    Attributes:
        top_level_filters: whether filters at the top level of a read are honoured; where they are
            not, only doctor asks eMAG.
        page_cap: the rows that a page holds at most.
        counts_returns: whether `rma/count` exists.
        own_orders, fbe_orders: orders of type 3 and 2 that the login sees.
        currency: the currency that orders carry.
        minutes_ahead: how far eMAG's newest time is ahead of the platform's zone.
        measured_at: when this was told.
    """

    top_level_filters: bool | None = None
    page_cap: int | None = None
    counts_returns: bool | None = None
    own_orders: int | None = None
    fbe_orders: int | None = None
    currency: str | None = None
    minutes_ahead: int | None = None
    measured_at: datetime | None = None


async def read_profile(engine: Engine, platform: str, account: str) -> Profile:
    """The account's profile; an empty one before first contact."""
    cursor = await read_cursor(engine, platform, account, RESOURCE)
    if cursor is None:
        return Profile()
    detail: dict[str, Any] = dict(cursor.detail or {})
    known = {field.name for field in fields(Profile)}
    told = Profile(**{name: value for name, value in detail.items() if name in known})
    return replace(told, measured_at=cursor.position)


async def write_profile(engine: Engine, platform: str, account: str, profile: Profile) -> None:
    """Keep what first contact showed."""
    detail = {name: each for name, each in asdict(profile).items() if name != "measured_at"}
    await move_cursor(engine, platform, account, RESOURCE, datetime.now(UTC), detail)
