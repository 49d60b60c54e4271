"""Open what a run stands on: the seller's database, and a channel to eMAG for each account."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from cryptography.fernet import Fernet
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.emag.accounts import Account
from integrations.emag.client import open_client
from integrations.embedded import start_embedded
from integrations.erp.schema import ErpSchema, read_schema
from integrations.ledger.database import autocommit, open_engine
from integrations.ledger.timings import Timings
from integrations.settings import ConfigurationError, Settings, load_settings
from integrations.sync.channel import Channel
from integrations.sync.plan_cancellations import Policy


@dataclass(frozen=True)
class Shop:
    """The seller's database and the accounts that a run works for."""

    settings: Settings
    engine: AsyncEngine
    schema: ErpSchema
    accounts: Sequence[Account]
    timings: Timings


class DatabaseUnreachableError(Exception):
    """The seller's database does not answer; the message names neither user nor password."""


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The seller's database, or the embedded one where none is configured.

    Raises:
        DatabaseUnreachableError: it does not answer.
        ConfigurationError: it has not been set up.
    """
    async with AsyncExitStack() as stack:
        url = settings.database_url
        if url is None:
            embedded = await asyncio.to_thread(start_embedded, settings.data_dir)
            stack.callback(embedded.stop)
            url = embedded.url
        engine = open_engine(url)
        stack.push_async_callback(engine.dispose)
        await _check_set_up(engine)
        yield engine


async def _check_set_up(engine: AsyncEngine) -> None:
    try:
        async with autocommit(engine) as connection:
            found = await connection.scalar(text("SELECT to_regclass('app.emag_changes')"))
    except DBAPIError as error:
        detail = str(error.orig).splitlines()[0] if error.orig else type(error).__name__
        raise DatabaseUnreachableError(
            f"the database cannot be reached ({detail}): check DATABASE_URL"
        ) from error
    if found is None:
        raise ConfigurationError(
            "DATABASE_URL", "the database is not set up", "run `emag-flows db upgrade`"
        )


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
async def open_channel(shop: Shop, account: Account, max_in_flight: int) -> AsyncIterator[Channel]:
    """An account's way to eMAG, with one pooled client."""
    settings = shop.settings
    key = settings.calls_key
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
            policy=Policy(return_days=account.return_days),
            gate=asyncio.Semaphore(max_in_flight),
            holder=f"{socket.gethostname()}:{os.getpid()}",
            sealer=Fernet(key.get_secret_value()) if key else None,
            require_approval=settings.cancellations_require_approval,
            write_back=settings.write_back,
            check_documents=settings.check_documents,
        )
