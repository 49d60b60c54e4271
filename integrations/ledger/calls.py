"""The call record: every request to eMAG, committed before it leaves, closed with its verdict."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.emag.accounts import Account
from integrations.emag.large import aside
from integrations.emag.routes import Bucket, Route
from integrations.emag.verdicts import Answer
from integrations.ledger.budget import RESERVE, Slot, reserve_within
from integrations.ledger.database import autocommit, storable
from integrations.ledger.engine import Engine
from integrations.ledger.line import line
from integrations.ledger.sealing import Sealer, keep

# A call from within another statement: `wait` is when its request leaves, in seconds from now, and
# `slot` names the rows of that statement that there must be.
ENTRY = """
    INSERT INTO app.emag_api_calls (id, sent_at, account, platform, route, writes, order_ids,
        return_ids, rows, steps, items, dead_at, sealed, request)
    SELECT CAST(:id AS uuid), clock_timestamp(), :account, :platform, :route, :writes, :order_ids,
        :return_ids, :rows, :steps, :items,
        clock_timestamp() + make_interval(secs => {wait} + :life), :sealed, :request
    {slot}
    RETURNING sent_at, dead_at
"""
_OPEN_IN_SLOT = f"""
    WITH slot AS ({RESERVE}),
    entry AS ({ENTRY.format(wait="greatest(0, slot.at - slot.now)", slot="FROM slot")})
    SELECT slot.*, entry.sent_at, entry.dead_at FROM slot, entry
"""

# A worker that was halted for long may bring a verdict after all: it says more than `abandoned`.
_CLOSE = """
    UPDATE app.emag_api_calls
       SET verdict = :verdict, cause = :cause, http_status = :http_status, seconds = :seconds,
           message = :message, answer = :answer, closed_at = clock_timestamp()
     WHERE id = :id AND sent_at = :sent_at AND (verdict = 'sent' OR cause = 'abandoned')
"""

_CLOSE_DEAD = """
    UPDATE app.emag_api_calls
       SET verdict = CASE WHEN writes THEN 'unknown' ELSE 'unavailable' END,
           cause = 'abandoned', closed_at = clock_timestamp()
     WHERE verdict = 'sent' AND dead_at < clock_timestamp()
"""

# Counted by their answers: a request is entered some time before it leaves.
_RECENT = """
    SELECT count(*) AS calls FROM app.emag_api_calls
     WHERE sent_at > clock_timestamp() - make_interval(secs => :seconds + 60)
       AND coalesce(closed_at, clock_timestamp())
           > clock_timestamp() - make_interval(secs => :seconds)
       AND platform = :platform AND starts_with(route, 'order') = :orders AND verdict <> 'unsent'
"""

# Each order's first failure counts, of these the newest: an order may have failed long ago, too.
_SAVED_SINCE = """
    SELECT EXISTS (
        SELECT FROM app.emag_api_calls
         WHERE account = :account AND platform = :platform AND route = :route
           AND verdict IN ('applied', 'refused')
           AND sent_at > (
               SELECT max(began) FROM (
                   SELECT min(f.sent_at) AS began
                     FROM unnest(CAST(:orders AS bigint[])) AS o(id)
                     JOIN app.emag_api_calls f ON f.order_ids @> ARRAY[o.id]
                    WHERE f.account = :account AND f.platform = :platform AND f.route = :route
                      AND f.verdict IN ('unavailable', 'unknown')
                    GROUP BY o.id) AS failures))
"""

_PREPARE = "SELECT app.emag_prepare_calls(7)"


@dataclass(frozen=True)
class Subject:
    """What a call is about: orders, returns, and the ERP rows it was made for ('rma:12').

    `steps` says in words what is asked for each of them ('2 -> 0'). Of a lot all lists have the
    same order, and none holds a customer's data.
    """

    orders: Sequence[int] = ()
    returns: Sequence[int] = ()
    rows: Sequence[str] = ()
    steps: Sequence[str] = ()
    items: int = 1


@dataclass(frozen=True)
class Call:
    """An entry of the call record that is still open, with its times by the database's clock."""

    id: uuid.UUID
    sent_at: datetime
    dead_at: datetime


async def open_read(
    engine: Engine,
    account: Account,
    route: Route,
    subject: Subject,
    body: Any,
    *,
    life: float,
    sealer: Sealer | None,
    longest: float,
    lead: float,
    probe: float,
    background: bool = False,
) -> tuple[Slot, Call]:
    """Reserve a slot and enter a read as `sent`, in one statement; its `life` begins with the slot.

    Raises:
        BudgetBusyError, EmagDownError: there is no slot, and nothing was entered.
    """
    values = entry(account.name, account.platform, route, subject, body, life, sealer)
    slot, entered = await reserve_within(
        engine,
        account,
        route,
        _OPEN_IN_SLOT,
        values,
        longest=longest,
        lead=lead,
        probe=probe,
        background=background,
    )
    return slot, Call(values["id"], entered.sent_at, entered.dead_at)


def entry(
    account: str,
    platform: str,
    route: Route,
    subject: Subject,
    body: Any,
    life: float,
    sealer: Sealer | None,
) -> dict[str, Any]:
    """The values that ENTRY takes.

    `life` is how many seconds after it left a request can still take effect at eMAG.
    """
    return {
        "id": uuid.uuid4(),
        "account": account,
        "platform": platform,
        "route": route.path,
        "writes": route.writes,
        "order_ids": list(subject.orders),
        "return_ids": list(subject.returns),
        "rows": list(subject.rows),
        "steps": list(subject.steps),
        "items": subject.items,
        "life": life,
        "sealed": sealer is not None,
        "request": keep(body, sealer),
    }


async def close_call(engine: Engine, call: Call, answer: Answer, sealer: Sealer | None) -> None:
    """Note the verdict of a call."""
    await _close(
        engine,
        call,
        verdict=answer.verdict.value,
        cause=answer.cause.value if answer.cause else None,
        http_status=answer.http_status,
        seconds=answer.seconds,
        message=storable(answer.text()) or None,
        answer=await aside(len(answer.body), keep, answer.body, sealer),
    )


async def close_unsent(engine: Engine, call: Call) -> None:
    """Note that a call missed its slot and never left."""
    await _close(engine, call, verdict="unsent")


async def _close(engine: Engine, call: Call, **values: object) -> None:
    columns = ("verdict", "cause", "http_status", "seconds", "message", "answer")
    closed = {name: values.get(name) for name in columns}
    await line(engine).row(_CLOSE, {**closed, "id": call.id, "sent_at": call.sent_at})


async def recent_calls(engine: Engine, platform: str, route: Route, seconds: float) -> int:
    """How many requests of the route's bucket all workers had under way in the last seconds."""
    orders = route.bucket is Bucket.ORDERS
    counted = {"platform": platform, "orders": orders, "seconds": seconds}
    row = await line(engine).row(_RECENT, counted)
    return int(row.calls)


async def saved_since_they_failed(
    engine: Engine, account: Account, route: Route, orders: Sequence[int]
) -> bool:
    """Whether eMAG has answered a save of this route since these orders began to fail at it."""
    wanted = {"account": account.name, "platform": account.platform, "route": route.path}
    async with autocommit(engine) as connection:
        found = await connection.execute(_SAVED_SINCE, {**wanted, "orders": list(orders)})
        return bool(found.scalar_one())


async def prepare_calls(engine: Engine) -> None:
    """Make the coming days' partitions: what can't be recorded is not sent."""
    async with autocommit(engine) as connection:
        await connection.execute(_PREPARE)


async def close_dead_calls(engine: Engine) -> None:
    """Close what a killed worker left open and is dead by now."""
    async with autocommit(engine) as connection:
        await connection.execute(_CLOSE_DEAD)
