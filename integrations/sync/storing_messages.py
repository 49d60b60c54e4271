"""What a backfill and the process that stores for it say to each other, and how.

Pickles with their length before them, over the process's standard input and output: passwords and
customers' data are never in a command line.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.emag.accounts import Account
from integrations.erp.schema import ErpSchema
from integrations.ledger.clock import Clock
from integrations.ledger.timings import Timings
from integrations.sync.packed import PackedPage
from integrations.sync.receipt import Receipt

_SIZE_BYTES = 8


@dataclass(frozen=True)
class Outfit:
    """What storing needs of a channel, said first; the accounts are without their passwords.

    Attributes:
        return_days, reasons: the seller's own figures, as a `Policy` has them.
        log_level: from which level on lines of the log are passed on.
    """

    account: Account
    accounts: Mapping[str, Account]
    database_url: str
    schema: ErpSchema
    timings: Timings
    return_days: int
    reasons: Mapping[str, int]
    log_level: int


@dataclass(frozen=True)
class Job:
    """A page to store; `stream` is the name of its stream, `clock` the one of its slice."""

    number: int
    stream: str
    page: PackedPage
    clock: Clock


@dataclass(frozen=True)
class Stored:
    """What came of a job: the number of its rows, and what they were."""

    number: int
    rows: int
    receipt: Receipt


@dataclass(frozen=True)
class Failed:
    """A job that came to nothing; `where` is the place in the code, without values."""

    number: int
    error: Exception
    where: str


@dataclass(frozen=True)
class Said:
    """A line for the log, in which the other end masks what must not be there."""

    logger: str
    level: int
    text: str


def framed(message: Any) -> bytes:
    """A message as it goes to the other end."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return len(body).to_bytes(_SIZE_BYTES, "big") + body


async def next_message(source: asyncio.StreamReader) -> Any:
    """What the other end says next; None once it is gone."""
    try:
        size = int.from_bytes(await source.readexactly(_SIZE_BYTES), "big")
        body = await source.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return pickle.loads(body)  # noqa: S301 - both ends are this program
