"""First contact with a real shop: what stands on what, step by step, by reading alone."""

from __future__ import annotations

from collections.abc import Mapping

from flows.shop import open_channel, open_shop
from integrations.ledger.check import Finding, check_database
from integrations.ledger.profile import write_profile
from integrations.sync.doctor import visit


async def examine(account: str) -> Mapping[str, list[Finding]]:
    """What was found, by account; the database comes first, and nothing is asked before it is well.

    What an account showed is kept as its profile, which its next runs go by.

    Raises:
        ConfigurationError, DatabaseUnreachableError: there is nothing to look at.
    """
    async with open_shop(account) as shop:
        database = await check_database(shop.engine)
        found = {"database": database}
        if not all(finding.ok for finding in database):
            return found
        for each in shop.accounts:
            async with open_channel(shop, each, max_in_flight=1) as channel:
                told = await visit(channel)
            await write_profile(shop.engine, each.name, told.profile)
            found[each.name] = told.findings
        return found
