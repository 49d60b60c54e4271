"""What the HTTP endpoints work with; everything is handed in by whoever serves them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.emag.accounts import Account
from integrations.ledger.check import Finding
from integrations.services.books import Database
from integrations.services.service import Runner

LARGEST_BODY = 1024 * 1024

Examine = Callable[[str], Awaitable[Mapping[str, Sequence[Finding]]]]


class Recent:
    """What the books said a moment ago: asking them more often tells nothing new."""

    SECONDS = 1.0

    # Nobody waits for somebody else's question, unless what is known is older than this.
    STALE_SECONDS = 10.0

    def __init__(self) -> None:
        self._asking = asyncio.Lock()
        self._at = float("-inf")
        self._answer: Mapping[str, Any] = {}

    async def ask(
        self,
        engine: AsyncEngine,
        question: Callable[[AsyncEngine], Awaitable[Mapping[str, Any]]],
    ) -> Mapping[str, Any]:
        """The answer to the question, a second old; only one of many callers asks.

        While one asks, the others have the answer before it.
        """
        if self._asking.locked() and self._age < self.STALE_SECONDS:
            return self._answer
        async with self._asking:
            if self._age > self.SECONDS:
                self._answer = await question(engine)
                self._at = time.monotonic()
            return self._answer

    @property
    def _age(self) -> float:
        return time.monotonic() - self._at


@dataclass(frozen=True)
class Context:
    """Attributes:
    accounts: the seller's accounts by name.
    database: the ERP's rows and our books.
    secret: what callback addresses and names of documents are derived from.
    token: what callers must show; None lets everybody in, which only loopback may.
    public_url: where eMAG reaches this server; None where it can't.
    configuration: what may be told of the settings, secrets only as set or not.
    examine: first contact with an account, step by step.
    runner: carries pending rows at once; None leaves it to the syncs.
    rate: requests a second that are answered; more are refused.
    """

    accounts: Mapping[str, Account]
    database: Database
    secret: bytes
    examine: Examine
    token: str | None = None
    public_url: str | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)
    runner: Runner | None = None
    rate: float = 500.0
    recent: Recent = field(default_factory=Recent)


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Given = Annotated[Context, Depends(_context)]
