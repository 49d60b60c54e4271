"""Calls as evidence for a dispute with eMAG: one JSON document with everything about each of them.

It is made piece by piece, so that a month of calls needs no more memory than a few of them.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import socket
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from integrations.emag.accounts import PLATFORMS
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine
from integrations.ledger.history import Wanted, WholeCall, every_call
from integrations.ledger.sealing import Body, Sealer, open_body

# A sandbox's platform is none of these and keeps Romanian time.
_ZONES: Final = {platform.name: ZoneInfo(platform.zone) for platform in PLATFORMS.values()}
_SANDBOX_ZONE: Final = ZoneInfo("Europe/Bucharest")

_NOTES: Final = (
    "Every request was recorded before it was sent and closed with its answer afterwards.",
    "A save was sent as {'data': request}; a read as its request; an acknowledge without a body.",
    "'sha256' is that of the bytes of 'text' in UTF-8, or of what 'base64' stands for.",
    "'kept' says whole: the body as it was; redacted: customers' data was replaced before it was",
    "stored; sealed ...: 'text' is the encrypted body, for which a key is missing.",
    "A verdict 'unknown' means that the answer was lost; 'unsent' that the request never left.",
)

_WHO: Final = "SELECT session_user, current_database(), clock_timestamp()"


async def write_evidence(
    engine: Engine, wanted: Wanted, sealer: Sealer | None
) -> AsyncIterator[bytes]:
    """The document in pieces: who asked for what and when, then every call, then their number."""
    async with autocommit(engine) as connection:
        role, database, now = (await connection.execute(_WHO)).one()
    header = {
        "exported_at": _utc(now),
        "exported_by": {"user": _user(), "host": socket.gethostname(), "database_role": role},
        "database": database,
        "filter": {name: _plain(value) for name, value in vars(wanted).items()},
        "notes": _NOTES,
    }
    yield b'{"header":' + orjson.dumps(header, option=orjson.OPT_INDENT_2) + b',\n"calls":[\n'
    count = 0
    async for call in every_call(engine, wanted):
        yield (b",\n" if count else b"") + orjson.dumps(_entry(call, sealer))
        count += 1
    yield b'\n],\n"count":%d}\n' % count


def _entry(call: WholeCall, sealer: Sealer | None) -> Mapping[str, Any]:
    zone = _ZONES.get(call.platform, _SANDBOX_ZONE)
    return {
        "id": str(call.id),
        "account": call.account,
        "platform": call.platform,
        "route": call.route,
        "writes": call.writes,
        "sent": _times(call.sent_at, zone),
        "answered": _times(call.closed_at, zone),
        "seconds": call.seconds,
        "orders": call.order_ids,
        "returns": call.return_ids,
        "rows": call.rows,
        "steps": call.steps,
        "items": call.items,
        "verdict": call.verdict,
        "cause": call.cause,
        "http_status": call.http_status,
        "message": call.message,
        "request": _body(open_body(call.request, call.sealed, sealer)),
        "answer": _body(open_body(call.answer, call.sealed, sealer)),
    }


def _body(body: Body) -> Mapping[str, Any]:
    digest = hashlib.sha256(body.content).hexdigest()
    described = {"kept": body.kept, "bytes": len(body.content), "sha256": digest}
    try:
        return {**described, "text": body.content.decode()}
    except UnicodeDecodeError:
        return {**described, "base64": base64.b64encode(body.content).decode()}


def _times(moment: datetime | None, zone: ZoneInfo) -> Mapping[str, str] | None:
    if moment is None:
        return None
    return {"utc": _utc(moment), "local": moment.astimezone(zone).isoformat(), "zone": zone.key}


def _utc(moment: datetime) -> str:
    return moment.astimezone(ZoneInfo("UTC")).isoformat()


def _plain(value: object) -> object:
    return _utc(value) if isinstance(value, datetime) else value


def _user() -> str:
    """Who is at the keyboard; a container may know no name for its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
