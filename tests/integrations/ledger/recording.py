"""Calls as the syncs record them: committed before they leave, closed with eMAG's answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.emag.routes import Route
from integrations.emag.verdicts import judge
from integrations.ledger.calls import ENTRY, Call, Subject, close_call, entry
from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine
from integrations.ledger.sealing import Sealer

PLATFORM = "emag-bg"

_BEGIN = ENTRY.format(wait="0", slot="")


async def begin(
    engine: Engine, route: Route, subject: Subject, body: Any, sealer: Sealer | None = None
) -> Call:
    """A call that is under way."""
    values = entry("main", PLATFORM, route, subject, body, 60, sealer)
    async with transaction(engine) as connection:
        entered = (await connection.execute(_BEGIN, values)).one()
    return Call(values["id"], entered.sent_at, entered.dead_at)


async def record(
    engine: Engine,
    route: Route,
    subject: Subject,
    body: Any = None,
    results: Any = (),
    *,
    status: int = 200,
    messages: tuple[str, ...] = (),
    sealer: Sealer | None = None,
) -> Call:
    """A call that eMAG answered: with these results, or with these messages as an error."""
    call = await begin(engine, route, subject, body, sealer)
    envelope = {"isError": bool(messages), "messages": messages, "results": results}
    answer = judge(route, status, {}, json.dumps(envelope).encode(), seconds=0.25)
    await close_call(engine, call, answer, sealer)
    return call


async def add_day(engine: Engine, days_ago: int, calls: int = 0, days: int = 1) -> str:
    """A partition that begins so many days ago (UTC), with calls at its noon; its name."""
    begin = (datetime.now(UTC) - timedelta(days=days_ago)).date()
    name = f"emag_api_calls_{begin:%Y%m%d}"
    async with transaction(engine) as connection:
        await connection.execute(
            f"CREATE TABLE app.{name} PARTITION OF app.emag_api_calls FOR VALUES"
            f" FROM ('{begin} 00:00:00+00') TO ('{begin + timedelta(days=days)} 00:00:00+00')"
        )
        await connection.execute(
            "INSERT INTO app.emag_api_calls (id, sent_at, order_ids)"
            f" SELECT gen_random_uuid(), timestamptz '{begin} 12:00:00+00', ARRAY[n]"
            f" FROM generate_series(1, {calls}) AS n"
        )
    return name
