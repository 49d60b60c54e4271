"""A shop whose workers are processes of their own, which may be killed at any time."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from integrations.emag.accounts import Account
from integrations.erp.rows import Kind
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS
from integrations.sandbox.market import Market
from integrations.sandbox.server import serving
from integrations.sandbox.switches import Switches
from tests.conftest import PASSWORD
from tests.end_to_end.conftest import Shop, open_shop
from tests.kills.worker import Errand, work

# Real times, so that a killed worker's leases run out while the test looks on.
BRIEF: Mapping[str, float] = {
    "quiet": 0.0,
    "quiet_cap": 0.0,
    "deadline": 2.0,
    "settle": 0.2,
    "lease": 3.0,
    "renew": 0.8,
    "copy_age": 2.5,
    "budget_wait": 2.0,
    "backoff_first": 0.2,
    "backoff_most": 1.0,
    "pause": 0.1,
    "probe": 0.1,
}

# Requests a second.
RATE = 40.0

MOST_ROUNDS = 25

_UNFINISHED = """
    SELECT format('{kind} %s %s, due %s: %s', {erp_id}, sync_state, next_attempt_at, error_message)
           AS what
      FROM {table} WHERE sync_state IN ('pending', 'in_doubt') OR write_back IS NOT NULL
"""
_LEFT = (
    "SELECT format('change of %s %s', kind, row_id) AS what FROM app.emag_changes",
    "SELECT 'open call to ' || route AS what FROM app.emag_api_calls WHERE verdict = 'sent'",
    *(
        _UNFINISHED.format(kind=kind.value, erp_id=books.erp_id, table=books.name)
        for kind, books in BOOKS.items()
    ),
)

# Workers are forked from one process that has imported everything already.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([work.__module__, "tests.kills.before_forks"])


@dataclass
class Yard:
    """A shop, and the way to send workers on errands for it.

    Its eMAG counts no requests, so that time goes into deaths and not into waiting for slots;
    test_limits.py lets it count.
    """

    shop: Shop
    folder: Path
    environment: Mapping[str, str]
    rate: float = RATE

    def errand(self, kind: Kind, account: str = "all", **more: Any) -> Errand:
        """An errand in this shop."""
        place = (self.environment, str(self.folder))
        return Errand(kind, account, *place, BRIEF, rate=self.rate, **more)

    def send(self, errand: Errand) -> BaseProcess:
        """Start a worker."""
        worker = _PROCESSES.Process(target=work, args=(errand,), daemon=True)
        worker.start()
        return worker

    async def work(self, errand: Errand) -> int | None:
        """Let one worker do an errand; its exit code, negative where a signal ended it."""
        return await ended(self.send(errand))

    async def finish(self, kinds: Sequence[Kind]) -> None:
        """Let fresh workers work, until nothing is left for them to do."""
        for _ in range(MOST_ROUNDS):
            if not await self.left():
                return
            await asyncio.gather(*(self.work(self.errand(kind)) for kind in kinds))
        raise AssertionError(f"after {MOST_ROUNDS} rounds: {await self.left()}")

    async def left(self) -> Sequence[str]:
        """What workers have still to do, in words."""
        return [row["what"] for query in _LEFT for row in await self.shop.sql(query)]

    async def states(self, kind: Kind, rows: Sequence[int]) -> set[str]:
        """Where rows stand."""
        return {await self.shop.state(kind, row) for row in rows}

    async def wrong(self) -> Sequence[str]:
        """What must not be, whatever was killed: in words, empty when all is well."""
        journal = self.shop.market.journal
        unwritten = [
            f"{kind} {row['id']}: nothing was written back"
            for kind, table in ERP_TABLES.items()
            for row in await self.shop.sql(
                f"SELECT id FROM app.{table.name} WHERE {BOOKS[kind].emag_id} IS NULL"
            )
        ]
        return [
            *(f"{each} once more" for each in journal.repeated()),
            *map(str, journal.violations()),
            *unwritten,
        ]


async def ended(worker: BaseProcess) -> int | None:
    """Wait for a worker's end; its exit code."""
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(worker.sentinel, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(worker.sentinel)
    worker.join()
    return worker.exitcode


def accounts_of(names: Sequence[str], emag_url: str) -> Sequence[Account]:
    """Accounts at one eMAG, each with a login and so a request budget of its own."""
    return [
        Account(
            name=name,
            account_type="main",
            username=f"{name}@example.com",
            password=SecretStr(PASSWORD),
            base_url=emag_url,
            rates={},
        )
        for name in names
    ]


def environment_of(accounts: Sequence[Account], database_url: str) -> Mapping[str, str]:
    """A worker's settings."""
    return {
        "DATABASE_URL": database_url,
        "EMAG_ENVIRONMENT": "sandbox",
        "EMAG_BASE_URL": accounts[0].base_url,
        "EMAG_ACCOUNTS": json.dumps(
            [
                {"name": each.name, "username": each.username, "password": PASSWORD}
                for each in accounts
            ]
        ),
    }


OpenYard = Callable[[str, Sequence[str]], Coroutine[Any, Any, Yard]]


@pytest.fixture
async def open_yard(tmp_path: Path) -> AsyncIterator[OpenYard]:
    """Opens a yard on a database, with accounts of these names; closed after the test."""
    async with AsyncExitStack() as stack:

        async def open_(database_url: str, names: Sequence[str]) -> Yard:
            credentials = {f"{name}@example.com": PASSWORD for name in names}
            market = Market(Switches(limits=False), credentials=credentials)
            emag_url = await stack.enter_async_context(serving(market))
            accounts = accounts_of(names, emag_url)
            shop = await stack.enter_async_context(open_shop(database_url, market, accounts[0]))
            by_name = {each.name: each for each in accounts}
            shop.channel = replace(shop.channel, accounts=by_name)
            return Yard(shop, tmp_path, environment_of(accounts, database_url))

        yield open_
