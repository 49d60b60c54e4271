"""Persist the answers: our books first, then the ERP's own columns, then the leases go back."""

from __future__ import annotations

from collections import Counter

from integrations.erp.rows import Kind
from integrations.ledger import leases, persist
from integrations.ledger.books import State
from integrations.ledger.pending_writes import write_flagged
from integrations.ledger.points import Point, reached
from integrations.sync.channel import Channel
from integrations.sync.work import Batch
from tasks.step import step


@step("persist-answers", pauses=(1, 2, 5, 10, 20))
async def persist_answers(channel: Channel, batch: Batch) -> Counter[State]:
    """Write the outcomes into our books and give the orders back; how many rows are how now."""
    states = await persist.persist(
        channel.engine,
        channel.schema,
        channel.account,
        batch.kind,
        batch.token,
        list(batch.outcomes()),
        write_back=channel.write_back,
    )
    await reached(Point.PERSISTED)
    await release_orders(channel, batch)
    await reached(Point.RELEASED)
    return Counter(states.values())


@step("write-back", pauses=(1, 5))
async def write_back(channel: Channel, kind: Kind) -> int:
    """Bring what waits for the ERP's rows into them; how many rows the ERP holds locked."""
    if not channel.write_back:
        return 0
    left = await write_flagged(channel.engine, channel.schema, kind)
    await reached(Point.WRITTEN_BACK)
    return left


async def release_orders(channel: Channel, batch: Batch) -> None:
    """Give back every order about which no request is under way or lost."""
    await leases.release(channel.engine, channel.account.platform, batch.renewable(), batch.token)
