"""An account's way to eMAG: its client, the books beside it, and what a run counts."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from integrations.emag.accounts import Account, who_sees_to
from integrations.emag.client import EmagClient
from integrations.emag.routes import Bucket, Route
from integrations.erp.schema import ErpSchema
from integrations.ledger.arrivals import Arrival, Arrived, bring_in
from integrations.ledger.engine import Engine
from integrations.ledger.instants import Instant
from integrations.ledger.profile import Profile
from integrations.ledger.sealing import Sealer
from integrations.ledger.timings import Timings
from integrations.sync.outage import OutageError
from integrations.sync.page import Page
from integrations.sync.plan_cancellations import Policy

# Seconds that it takes to ask the database one thing, before it is known.
CONFIRMING = 0.005

Bring = Callable[[Engine, ErpSchema, Arrival], Awaitable[Arrived]]


@dataclass
class Tally:
    """What a run has spent so far, and why it had to stop asking, if it had to.

    Attributes:
        requests: how many requests left, by route.
        spent: how many slots of the request budget that took, by bucket.
        waits: seconds that requests waited for their slots, all together, by bucket.
        throttled_in_a_row: how many pauses in a row eMAG has asked for on a route.
        probing: lets one at a time find out whether eMAG can be worked with.
        confirming: seconds that it took last to confirm that a write may leave.
        judging: lets one read at a time find out whether others fail as it did.
    """

    requests: Counter[str] = field(default_factory=Counter)
    spent: Counter[Bucket] = field(default_factory=Counter)
    waits: defaultdict[Bucket, float] = field(default_factory=lambda: defaultdict(float))
    throttled: int = 0
    throttled_in_a_row: Counter[Route] = field(default_factory=Counter)
    lost_in_a_row: int = 0
    too_many_returns: bool = False
    looked_at: float = -math.inf
    confirming: float = CONFIRMING
    outage: OutageError | None = None
    probing: asyncio.Lock = field(default_factory=asyncio.Lock)
    judging: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def waited(self) -> float:
        """Seconds that requests waited for their slots, all together."""
        return sum(self.waits.values())

    def count(self, route: Route) -> None:
        """Note that a request on this route has left."""
        self.requests[route.path] += 1
        self.spent[route.bucket] += 1

    def wait(self, route: Route, seconds: float) -> None:
        """Note that a request on this route had to wait for its slot."""
        self.waits[route.bucket] += seconds


class Scan(Protocol):
    """A listing each page of which is read once, whoever asks for it."""

    @property
    def began(self) -> Instant | None:
        """When the first page's read began."""

    def pages(self, channel: Channel) -> AsyncIterator[Page]:
        """All pages, those that were read before first."""


@dataclass(frozen=True)
class Channel:
    """Everything that carrying one account's rows needs.

    Attributes:
        accounts: all configured accounts by name, since folding is for all of them.
        gate: lets at most `max_in_flight` requests be under way.
        pause_above: how many cancellations may go unasked in an hour; 0: however many there are.
        write_back: whether the ERP's own `emag_*` columns are written.
        check_documents: whether a document is fetched before it is attached.
        scan: the open returns, read once for both directions; None where only one way is gone.
        background: whether others' requests come first.
        by_word: whether a person has said that its cancellations may go.
        apart: whether it stays with this channel that eMAG can't be worked with.
        bring: brings a piece of news into the ERP.
        profile: what first contact showed of how eMAG answers this account.
    """

    account: Account
    accounts: Mapping[str, Account]
    client: EmagClient
    engine: Engine
    schema: ErpSchema
    timings: Timings
    policy: Policy
    gate: asyncio.Semaphore
    holder: str
    sealer: Sealer | None = None
    require_approval: bool = False
    pause_above: int = 0
    write_back: bool = True
    check_documents: bool = True
    scan: Scan | None = None
    background: bool = False
    by_word: bool = False
    apart: bool = False
    bring: Bring = bring_in
    profile: Profile = field(default_factory=Profile)
    tally: Tally = field(default_factory=Tally)

    def seeing_to(self, kind: int | None) -> Channel:
        """The same login's way of the account that sees to orders and returns of the type."""
        owner = who_sees_to(kind, self.account, self.accounts)
        return self if owner is self.account else replace(self, account=owner)

    @property
    def elsewhere(self) -> frozenset[str]:
        """The accounts at other platforms.

        Rows of any other account, or of none, may be about this platform's orders and returns.
        """
        platform = self.account.platform
        return frozenset(
            name for name, account in self.accounts.items() if account.platform != platform
        )
