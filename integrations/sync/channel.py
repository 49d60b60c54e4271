"""An account's way to eMAG: its client, the books beside it, and what a run counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.emag.accounts import Account
from integrations.emag.client import EmagClient
from integrations.erp.schema import ErpSchema
from integrations.ledger.sealing import Sealer
from integrations.ledger.timings import Timings
from integrations.sync.outage import OutageError
from integrations.sync.plan_cancellations import Policy

if TYPE_CHECKING:
    from integrations.sync.receive_returns import ReturnsScan


@dataclass
class Tally:
    """What a run has spent so far, and why it had to stop asking, if it had to."""

    requests: Counter[str] = field(default_factory=Counter)
    throttled: int = 0
    waited: float = 0.0
    lost_in_a_row: int = 0
    too_many_returns: bool = False
    looked_at: float = 0.0
    outage: OutageError | None = None


@dataclass(frozen=True)
class Channel:
    """Everything that carrying one account's rows needs.

    Attributes:
        accounts: all configured accounts by name, since folding is for all of them.
        gate: lets at most `max_in_flight` requests be under way.
        write_back: whether the ERP's own `emag_*` columns are written.
        check_documents: whether a document is fetched before it is attached.
        scan: the open returns, read once for both directions; None where only one way is gone.
        background: whether others' requests come first.
    """

    account: Account
    accounts: Mapping[str, Account]
    client: EmagClient
    engine: AsyncEngine
    schema: ErpSchema
    timings: Timings
    policy: Policy
    gate: asyncio.Semaphore
    holder: str
    sealer: Sealer | None = None
    require_approval: bool = False
    write_back: bool = True
    check_documents: bool = True
    scan: ReturnsScan | None = None
    background: bool = False
    tally: Tally = field(default_factory=Tally)
