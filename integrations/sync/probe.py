"""Ask eMAG one thing, to know whether it can be worked with: many at once would all give up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from integrations.emag.routes import ORDER_COUNT, RMA_READ, Route
from integrations.erp.rows import Kind
from integrations.ledger import budget
from integrations.ledger.calls import Subject
from integrations.sync.ask import NEUTRAL, ask, stop_if_known
from integrations.sync.channel import Channel
from integrations.sync.outage import CORRECTABLE

_ORDERS: Final = (ORDER_COUNT, {"status": [1], "type": 3})
_PROBES: Final[Mapping[Kind, tuple[Route, Mapping[str, Any]]]] = {
    Kind.RMA: (RMA_READ, NEUTRAL[RMA_READ]),
    Kind.CANCELLATION: _ORDERS,
    Kind.INVOICE: _ORDERS,
}


async def probe(channel: Channel, kind: Kind) -> None:
    """Find out whether eMAG can be worked with, by one cheap read.

    Raises:
        OutageError, BudgetBusyError: it cannot, or that can't be found out now.
        ReadRefusedError: it answers, if not this read.
    """
    route, body = _PROBES[kind]
    await ask(channel, route, body, Subject(), briefly=True)


async def probe_if_down(channel: Channel, kind: Kind) -> None:
    """Find out whether eMAG is back, where it may be asked at all.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: it cannot be worked with yet.
    """
    stop_if_known(channel)
    route, _ = _PROBES[kind]
    if await budget.is_down(channel.engine, channel.account, route):
        await probe(channel, kind)


async def probe_all_if_down(channel: Channel) -> None:
    """The same before work that asks for orders and for returns at once. Raises the same."""
    for kind in (Kind.CANCELLATION, Kind.RMA):
        await probe_if_down(channel, kind)


async def ask_anew(channel: Channel, route: Route) -> bool:
    """Let the next request find out whether a person has put right why eMAG counts as down.

    For what a person asks for: work by itself waits for its turn. False where there is nothing to
    find out.
    """
    return await budget.hasten_probe(channel.engine, channel.account, route, CORRECTABLE)


async def probe_corrected(channel: Channel, kind: Kind) -> None:
    """Ask at once where eMAG counts as down for what may have been put right by now.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: it cannot be worked with yet.
    """
    route, _ = _PROBES[kind]
    if await ask_anew(channel, route):
        await probe(channel, kind)
