"""Carry a claimed batch to eMAG: read, plan, send, until every row has an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from integrations.ledger import leases
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.points import Point, reached
from integrations.sync.abreast import abreast
from integrations.sync.channel import Channel
from integrations.sync.failing import excuse_rows
from integrations.sync.outage import OutageError
from integrations.sync.plan_rows import plan_rows
from integrations.sync.read import most_singles, page_copies, read_singly
from integrations.sync.send import send_steps
from integrations.sync.work import Batch, Work, fail, pause

# More rounds than any legal way needs, with slow reads and a limit that is exceeded now and then.
MOST_ROUNDS = 64

# Rows that are read singly go on together in groups of so many: a lot's worth.
GROUP = 50


async def carry(channel: Channel, batch: Batch) -> None:
    """Give every row of the batch an outcome; may be called again after it was interrupted.

    Rows that already have one are left alone, so that nothing is sent twice. Rows that come after
    a request about the same order stay without one: they are claimed anew when its outcome is in
    the books, or when the lease of an order in doubt has run out.
    """
    try:
        async with renewing(channel, batch):
            while works := batch.turn():
                await _one_round(channel, batch, works)
    except OutageError as outage:
        batch.outage = outage
        _pause_rest(channel, batch, str(outage))
    except BudgetBusyError as busy:
        batch.busy = True
        _pause_rest(channel, batch, str(busy))
    failing = await excuse_rows(channel, batch)
    batch.outage = batch.outage or failing


async def _one_round(channel: Channel, batch: Batch, works: list[Work]) -> None:
    for work in works:
        work.rounds += 1
        if work.rounds > MOST_ROUNDS:
            fail(
                work,
                "eMAG's state could not be read and saved in turn: see `emag-flows calls`.",
                channel.timings,
            )
        elif work.copy is not None and not work.copy.fresh(channel.timings):
            work.copy = None
    works = [work for work in works if work.open]
    await page_copies(channel, batch, works)

    async def process(channel: Channel, group: list[Work]) -> None:
        await _read_plan_send(channel, batch, group)

    await abreast(channel, _groups(channel, batch, works), process)


def _groups(channel: Channel, batch: Batch, works: Sequence[Work]) -> list[list[Work]]:
    """Rows that are read, planned and sent together: while one group is read, another is sent.

    Those that pages gave a copy are one group, for the fullest lots. Rows that could not be read
    soon enough are left for the next round.
    """
    ready = [work for work in works if work.open and work.copy is not None]
    missing = [work for work in works if work.open and work.copy is None]
    missing = missing[: most_singles(channel, batch.kind)]
    groups = [missing[each : each + GROUP] for each in range(0, len(missing), GROUP)]
    return [ready, *groups] if ready else groups


async def _read_plan_send(channel: Channel, batch: Batch, works: Sequence[Work]) -> None:
    await read_singly(channel, batch, works)
    await reached(Point.READ)
    await plan_rows(channel, batch, [work for work in works if work.open])
    await reached(Point.PLANNED)
    await send_steps(channel, batch, [work for work in works if work.open and work.plan])


def _pause_rest(channel: Channel, batch: Batch, reason: str) -> None:
    for work in batch.works:
        if work.open and work.claim.order_id not in batch.doubtful:
            pause(work, reason, channel.timings)


@asynccontextmanager
async def renewing(channel: Channel, batch: Batch) -> AsyncIterator[None]:
    """Keep the batch's leases while the block runs, but for orders in doubt."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(channel.timings.renew)
            await leases.renew(
                channel.engine,
                channel.account.platform,
                batch.renewable(),
                batch.token,
                channel.timings.lease,
            )

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
