"""Where a listing by time is read from, and when its end is proved rather than believed.

A page that is shorter than eMAG's pages are is believed to be the last, and so is one that shows
nothing new where nobody knows how long they are: most runs then ask once. Were a cap on pages to
change, rows would be missed. So once an hour the end is proved, and that reading begins where the
last proved one ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from integrations.ledger.cursors import move_cursor, read_cursor
from integrations.ledger.points import Point, reached
from integrations.ledger.profile import Profile
from integrations.sync.channel import Channel
from integrations.sync.listing import Ends

FIRST_LOOK: Final = timedelta(hours=24)
OVERLAP: Final = timedelta(hours=3)

# How long the length of a page is believed to tell the last one.
BELIEVED: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Look:
    """One look at what a listing holds since the last ones.

    Attributes:
        resource: the listing's cursor.
        after: from when on to read, aware UTC.
        now: up to when everything is stored once it was read.
        proved: up to when everything is known to be stored.
        ends: what tells the last page.
    """

    resource: str
    after: datetime
    now: datetime
    proved: datetime
    ends: Ends


async def begin_look(channel: Channel, resource: str, now: datetime, longest: int = 0) -> Look:
    """The next look at a listing; pages of the same account held at most `longest` rows lately."""
    account = channel.account
    cursor = await read_cursor(channel.engine, account.platform, account.name, resource)
    position = cursor.position if cursor else now - FIRST_LOOK
    detail = (cursor.detail if cursor else None) or {}
    proved = min(position, _time(detail.get("proved")) or position)
    ends = Ends(
        longest=longest,
        cap=_cap(detail, channel.profile),
        is_sure=now - max(proved, _measured(channel.profile, proved)) >= BELIEVED,
    )
    return Look(resource, proved - OVERLAP, now, proved, ends)


async def end_look(channel: Channel, look: Look) -> None:
    """Note that every page of the look is stored."""
    await reached(Point.STORED)
    proved = look.proved if look.ends.guessed else look.now
    detail = {"cap": look.ends.cap, "proved": proved.isoformat()}
    whose = (channel.account.platform, channel.account.name)
    await move_cursor(channel.engine, *whose, look.resource, look.now, detail)


def _cap(detail: Mapping[str, Any], profile: Profile) -> int | None:
    """What a page is believed to hold: as this listing showed itself, else as the shop did."""
    cap = detail.get("cap")
    return cap if isinstance(cap, int) else profile.page_cap


def _measured(profile: Profile, never: datetime) -> datetime:
    """When first contact measured how many rows a page holds."""
    return profile.measured_at or never if profile.page_cap else never


def _time(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
