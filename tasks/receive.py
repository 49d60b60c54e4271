"""Receive eMAG's news: read it within the request limits and bring it into the ERP."""

from __future__ import annotations

from integrations.sync.channel import Channel
from integrations.sync.receipt import Receipt
from integrations.sync.receive_orders import receive_orders as read_orders
from integrations.sync.receive_returns import ReturnsScan
from integrations.sync.receive_returns import receive_returns as read_returns
from tasks.step import step

PAUSES = (2, 10)


@step("receive-returns", pauses=PAUSES)
async def receive_returns(channel: Channel, scan: ReturnsScan | None = None) -> Receipt:
    """Bring open, new and closed returns into the ERP; `scan` is what the way out has read of them.

    A repetition is safe: what was stored is unchanged news.
    """
    return await read_returns(channel, scan)


@step("receive-orders", pauses=PAUSES)
async def receive_orders(channel: Channel) -> Receipt:
    """Bring cancellations, reductions and payments of orders into the ERP; repeated safely, too."""
    return await read_orders(channel)
