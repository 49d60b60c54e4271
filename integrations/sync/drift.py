"""Notice what eMAG's answers hold that nobody foresaw, at nearly no cost while they hold none."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import psycopg

from integrations.emag.known_fields import unknown_fields
from integrations.emag.routes import Route
from integrations.emag.wire import Raw, WireError
from integrations.ledger.database import storable
from integrations.ledger.drift import What, note_drift
from integrations.sync.channel import Channel

log = logging.getLogger("emag.drift")

MOST_NAMES = 50
LONGEST_NAME = 100


async def note_unknown_fields(channel: Channel, route: Route, rows: Sequence[Raw]) -> None:
    """Count the fields of a page that are not known, and say each one once."""
    unknown = unknown_fields(route.path, rows)
    if unknown:
        names = {_storable(name): seen for name, seen in unknown.most_common(MOST_NAMES)}
        await _note(channel, route, What.UNKNOWN, names)


async def note_changed_type(channel: Channel, route: Route, error: WireError) -> None:
    """Count a value that could not be read, and say once of each field that there is one."""
    names = {_storable(f"{error.entity} {error.field}"): 1}
    await _note(channel, route, What.TYPE, names, storable(error.value))


async def _note(
    channel: Channel, route: Route, what: What, names: Mapping[str, int], value: str | None = None
) -> None:
    platform = channel.account.platform
    try:
        new = await note_drift(channel.engine, platform, route.path, what, names, value)
    except psycopg.Error as error:
        log.warning("fields of %s could not be noted: %s", route.path, type(error).__name__)
        return
    for each in new:
        log.warning("%s", each)


def _storable(name: str) -> str:
    return storable(name)[:LONGEST_NAME]
