"""Saves that fail while reads are answered: one order's own matter, or eMAG's with every order."""

from __future__ import annotations

from collections.abc import Callable

from integrations.emag.routes import Route
from integrations.emag.verdicts import Answer, Cause, Verdict
from integrations.ledger.calls import saved_since_they_failed
from integrations.sync.channel import Channel
from integrations.sync.lots import Lot
from integrations.sync.outage import GENERAL, OutageError
from integrations.sync.work import Batch, Failure

# So many requests about different orders must fail before it may be eMAG's matter.
SEVERAL = 2


async def note_failure(
    channel: Channel, batch: Batch, lot: Lot, answer: Answer, excuse: Callable[[], None] | None
) -> None:
    """Note a save that came to nothing for a cause that may concern every order.

    `excuse` takes back that it was put down to its row; None where it was not.
    """
    if answer.verdict not in (Verdict.UNAVAILABLE, Verdict.UNKNOWN) or answer.cause not in GENERAL:
        return
    orders = tuple(work.claim.order_id for work in lot.works)
    batch.failures.setdefault(lot.route, []).append(Failure(orders, answer, excuse))
    batch.failing[lot.route] = await _what_fails(channel, batch, lot.route)


async def excuse_rows(channel: Channel, batch: Batch) -> OutageError | None:
    """Put no failure down to a row where every order fails; what is to be said of that, if any do.

    To be asked when nothing is under way any more: a save that succeeds shows that it is the rows.
    """
    said = None
    for route, failures in batch.failures.items():
        outage = await _what_fails(channel, batch, route)
        if outage is not None:
            said = said or outage
            for failure in failures:
                if failure.excuse is not None:
                    failure.excuse()
    return said


async def _what_fails(channel: Channel, batch: Batch, route: Route) -> OutageError | None:
    """The outage of a route of saves: several orders fail, and none was saved since they began."""
    failures = batch.failures[route]
    alone = [each for failure in failures if failure.excuse for each in failure.orders]
    if len(failures) < SEVERAL or not alone:
        return None
    if await saved_since_they_failed(channel.engine, channel.account, route, alone):
        return None
    answer = failures[-1].answer
    return OutageError(
        answer.cause or Cause.SERVER,
        f"{route.path} fails for every order that is tried: {answer.text()}",
    )
