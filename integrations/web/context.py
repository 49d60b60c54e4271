"""What the HTTP endpoints work with; everything is handed in by whoever serves them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request

from integrations.emag.accounts import Account
from integrations.ledger.findings import Finding
from integrations.services.books import Database
from integrations.services.service import Runner

LARGEST_BODY = 1024 * 1024

# Of the five connections that there are: whoever calls back from outside leaves some to others.
HINTING_AT_ONCE = 2

Question = Callable[[], Awaitable[Mapping[str, Any]]]
Examine = Callable[[str], Coroutine[Any, Any, Mapping[str, Sequence[Finding]]]]


class Recent:
    """What the books said a moment ago: asking them more often tells nothing new.

    Args:
        stale: so many seconds old an answer may be, for who comes while the next is asked for.
    """

    SECONDS = 1.0
    STALE = 10.0

    def __init__(self, stale: float = STALE) -> None:
        self._stale = stale
        self._asking: asyncio.Task[None] | None = None
        self._at = float("-inf")
        self._answer: Mapping[str, Any] = {}

    async def ask(self, question: Question) -> Mapping[str, Any]:
        """The answer to the question, a second old; only one of many callers asks.

        What becomes of that is told to all who wait for it, be it an error.
        """
        if self._age <= self.SECONDS:
            return self._answer
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(question))
        elif self._age < self._stale:
            return self._answer
        asking = self._asking
        await asyncio.wait({asking})
        asking.result()
        return self._answer

    async def _ask(self, question: Question) -> None:
        self._answer = await question()
        self._at = time.monotonic()

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
    rate: requests a second of each of those who ask; more are refused.
    recent, ready: what the books said, and that they answered.
    hinting: lets so many callbacks at once ask the database.
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
    ready: Recent = field(default_factory=lambda: Recent(stale=Recent.SECONDS))
    hinting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(HINTING_AT_ONCE))


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Given = Annotated[Context, Depends(_context)]
