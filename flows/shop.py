"""Open what a run stands on: the seller's database, and a channel to eMAG for each account."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from flows.database import open_database
from integrations.emag.accounts import Account
from integrations.emag.client import open_client
from integrations.erp.schema import ErpSchema, read_schema
from integrations.ledger.calls import prepare_calls
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine
from integrations.ledger.profile import read_profile
from integrations.ledger.sealing import sealer_of
from integrations.ledger.timings import Timings
from integrations.settings import Settings, load_settings
from integrations.sync.channel import Channel
from integrations.sync.plan_cancellations import Policy


@dataclass(frozen=True)
class Shop:
    """The seller's database and the accounts that a run works for."""

    settings: Settings
    engine: Engine
    schema: ErpSchema
    accounts: Sequence[Account]
    timings: Timings


@asynccontextmanager
async def open_shop(account: str) -> AsyncIterator[Shop]:
    """Everything for the named account, or for all of them."""
    settings = load_settings()
    accounts = settings.chosen(account)
    async with open_database(settings) as engine:
        async with autocommit(engine) as connection:
            schema = await read_schema(connection)
        yield Shop(
            settings=settings,
            engine=engine,
            schema=schema,
            accounts=accounts,
            timings=Timings(**settings.timings()),
        )


@asynccontextmanager
async def open_channel(
    shop: Shop, account: Account, max_in_flight: int, *, background: bool = False
) -> AsyncIterator[Channel]:
    """An account's way to eMAG, with one pooled client; in the background others come first.

    The days to come in which its requests are recorded are made.
    """
    settings = shop.settings
    await prepare_calls(shop.engine)
    profile = await read_profile(shop.engine, account.platform, account.name)
    async with open_client(
        account, deadline=shop.timings.deadline, max_connections=max_in_flight
    ) as client:
        yield Channel(
            account=account,
            accounts=settings.accounts,
            client=client,
            engine=shop.engine,
            schema=shop.schema,
            timings=shop.timings,
            policy=Policy(account.return_days, settings.reasons),
            gate=asyncio.Semaphore(max_in_flight),
            holder=f"{socket.gethostname()}:{os.getpid()}",
            sealer=sealer_of(settings.calls_keys),
            require_approval=settings.cancellations_require_approval,
            pause_above=settings.cancellations_pause_above,
            write_back=settings.write_back,
            check_documents=settings.check_documents,
            background=background,
            profile=profile,
        )
