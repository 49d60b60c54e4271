"""One run of a sync: every chosen account, each with its own channel and its own report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from flows.outbound import close_report
from flows.parameters import SyncParameters
from flows.report import Report
from flows.shop import Shop, open_channel, open_shop
from integrations.emag.accounts import Account
from integrations.sync.channel import Channel

Story = Callable[[Channel, SyncParameters, Report], Awaitable[None]]


async def for_each_account(flow: str, parameters: SyncParameters, story: Story) -> list[Report]:
    """Tell the story for all chosen accounts at once; their reports in the order of the settings.

    Raises:
        ConfigurationError, DatabaseUnreachableError: there is nothing to work with.
    """
    async with open_shop(parameters.account) as shop:
        runs = (_tell(flow, shop, account, parameters, story) for account in shop.accounts)
        return list(await asyncio.gather(*runs))


async def _tell(
    flow: str, shop: Shop, account: Account, parameters: SyncParameters, story: Story
) -> Report:
    began = time.monotonic()
    report = Report(
        flow=flow,
        account=account.name,
        direction=parameters.direction.value,
        dry_run=parameters.dry_run,
        started_at=datetime.now(UTC),
    )
    async with open_channel(shop, account, parameters.max_in_flight) as channel:
        await story(channel, parameters, report)
        return close_report(report, channel, began)
