"""First contact with a real shop: what stands on what, step by step, by reading alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from flows.exposure import check_public_url
from flows.shop import open_channel, open_shop
from integrations.ledger.check import check_database
from integrations.ledger.findings import Finding
from integrations.ledger.profile import Profile, write_profile
from integrations.sync.doctor import visit


@dataclass(frozen=True)
class Examination:
    """What first contact showed.

    Attributes:
        findings: by account; the database comes first, and alone if it is not well, and then what
            is to be said of the configuration.
        unreachable: eMAG can't be reached, or refuses the credentials or the address.
    """

    findings: Mapping[str, list[Finding]]
    unreachable: bool = False


async def examine(account: str) -> Examination:
    """Look at the database and, if that is well, at eMAG as each account sees it.

    What an account showed is kept as its profile, which its next runs go by; what could not be told
    this time stays as it was.

    Raises:
        ConfigurationError, DatabaseUnreachableError: there is nothing to look at.
    """
    async with open_shop(account) as shop:
        found = {"database": await check_database(shop.engine)}
        if not all(finding.ok for finding in found["database"]):
            return Examination(found)
        if configured := check_public_url(shop.settings):
            found["configuration"] = configured
        unreachable = False
        for each in shop.accounts:
            async with open_channel(shop, each, max_in_flight=1) as channel:
                # Who tries other settings here must not stop those who work with the right ones.
                told = await visit(replace(channel, apart=True, profile=Profile()))
                profile = replace(channel.profile, **told.seen)
            await write_profile(shop.engine, each.platform, each.name, profile)
            found[each.name] = told.findings
            unreachable |= told.is_outage
        return Examination(found, unreachable)
