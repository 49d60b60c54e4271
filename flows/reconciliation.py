"""Reconciling: eMAG, its mirror and the ERP agree, and a certificate says so."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flows.parameters import ReconcileParameters
from flows.shop import Shop, open_channel, open_shop
from integrations.emag.accounts import Account
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.certificates import Certificate
from integrations.settings.errors import ConfigurationError
from integrations.sync.ask import ReadRefusedError
from integrations.sync.channel import Channel
from integrations.sync.outage import OutageError
from integrations.sync.probe import probe_all_if_down
from integrations.sync.reconcile import begin
from tasks.reconcile import (
    certify,
    compare_with_emag,
    compare_with_erp,
    look_again,
    note_differences,
)

log = logging.getLogger("emag.reconcile")

# All of it is background work: one request after the other.
IN_FLIGHT = 2

STOPPED = (OutageError, BudgetBusyError, ReadRefusedError)

Say = Callable[[str], None]


@dataclass
class Reconciled:
    """One account's reconciliation; without a certificate, `unreachable` says why there is none."""

    account: str
    started_at: datetime
    certificate: Certificate | None = None
    seconds: float = 0.0
    requests: dict[str, int] = field(default_factory=dict)
    throttled: int = 0
    unreachable: str | None = None

    @property
    def exit_code(self) -> int:
        """0 nothing is unexplained, 1 something is, 3 eMAG could not be worked with."""
        if self.certificate is None:
            return 3
        return 0 if self.certificate.clean else 1

    def to_json(self) -> dict[str, Any]:
        """The object that `reconcile --json` prints."""
        return {
            "flow": "reconcile",
            "account": self.account,
            "started_at": self.started_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "requests": self.requests,
            "throttled": self.throttled,
            "certificate": self.certificate.document() if self.certificate else None,
            **({"unreachable": self.unreachable} if self.unreachable else {}),
        }


async def reconcile_accounts(
    parameters: ReconcileParameters, say: Say = log.info
) -> list[Reconciled]:
    """Reconcile the chosen accounts at once; in the order of the settings.

    Raises:
        ConfigurationError, DatabaseUnreachableError: there is nothing to work with.
    """
    async with open_shop(parameters.account) as shop:
        runs = (_reconcile(shop, account, parameters, say) for account in shop.accounts)
        return list(await asyncio.gather(*runs))


async def _reconcile(
    shop: Shop, account: Account, parameters: ReconcileParameters, say: Say
) -> Reconciled:
    began = time.monotonic()
    result = Reconciled(account.name, datetime.now(UTC))
    async with open_channel(shop, account, IN_FLIGHT, background=True) as channel:
        try:
            result.certificate = await reconcile_channel(
                channel, parameters, lambda text: say(f"account {account.name}: {text}")
            )
        except STOPPED as stopped:
            result.unreachable = str(stopped)
        result.requests = dict(channel.tally.requests)
        result.throttled = channel.tally.throttled
    result.seconds = time.monotonic() - began
    return result


async def reconcile_channel(
    channel: Channel, parameters: ReconcileParameters, say: Say
) -> Certificate:
    """The certificate of one account.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: eMAG could not be worked with.
    """
    await probe_all_if_down(channel)
    apart = parameters.recount_minutes * 60
    work = await begin(channel, parameters.since, parameters.until, apart, say)
    if work.span.days < 1:
        raise ConfigurationError("since", "lies after the last day", "choose an earlier one")
    await compare_with_emag(work)
    await compare_with_erp(work)
    if parameters.wait and not work.is_sure:
        say(f"something differs: looking again in {parameters.recount_minutes:g} minutes")
        await note_differences(work)
        await asyncio.sleep(work.pause)
        await look_again(work)
    return await certify(work)
