"""eMAG's callbacks: unsigned, so they are a hint that something is to be read, and nothing more.

Each account has an address of its own, which holds a secret (API facts: Callbacks).
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from integrations.emag.accounts import Account
from integrations.erp.load import HIGHEST_ORDER, order_number
from integrations.ledger.hints import PATIENCE_SECONDS, hint_order, hint_return
from integrations.web.context import Context, Given
from integrations.web.problems import NotFoundError, documented

LENGTH = 40
LONGEST = 40

Number = Annotated[str | None, Query(max_length=LONGEST)]

router = APIRouter(
    prefix="/callbacks", tags=["callbacks"], responses=documented(404, 421, 422, 429, 503)
)


class Heard(BaseModel):
    """The answer to a callback, whatever it was about."""

    status: str = "ok"


@router.get("/{secret}/{event}", summary="A hint of eMAG's")
async def callback(
    given: Given,
    secret: Annotated[str, Path(max_length=100)],
    event: Annotated[str, Path(pattern=r"^[a-z_-]{1,40}$")],
    order_id: Number = None,
    emag_id: Number = None,
    rma_id: Number = None,
) -> Heard:
    """Queue a read of what the callback names; what names nothing readable is passed over.

    A hint that can't be noted soon is answered with 503, not kept: the next run reads news anyway.
    """
    account, engine = account_of(given, secret), given.database.engine
    order = order_number(order_id)
    number = order_number(rma_id) or order_number(emag_id)
    whose = account.platform, account.name, account.order_type
    async with _turn(given.hinting):
        if order:
            await hint_order(engine, *whose, order)
        if 0 < number <= HIGHEST_ORDER:
            await hint_return(engine, *whose, number)
    return Heard()


@asynccontextmanager
async def _turn(turns: asyncio.Semaphore) -> AsyncIterator[None]:
    """Raises TimeoutError where those in front take too long."""
    async with asyncio.timeout(PATIENCE_SECONDS) as coming, turns:
        coming.reschedule(None)
        yield


def secret_of(context: Context, account: Account) -> str:
    """The secret in the account's callback addresses."""
    named = f"callback:{account.platform}:{account.name}".encode()
    return hmac.new(context.secret, named, sha256).hexdigest()[:LENGTH]


def account_of(context: Context, secret: str) -> Account:
    """The account whose address this is. Raises 404 for a secret of nobody's."""
    found = None
    for account in context.accounts.values():
        if hmac.compare_digest(secret_of(context, account).encode(), secret.encode()):
            found = account
    if found is None:
        raise NotFoundError(
            "no such address: `emag-flows api --callbacks` prints those to enter in eMAG's panel",
            "secret",
        )
    return found
