"""What operations answer: where the row stands, with the guide's keys."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import Header, Query, Response
from pydantic import BaseModel

from integrations.ledger.operations import Standing
from integrations.services.results import result_of

LONGEST_WAIT = 60

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="The same request with the same key is done once, however often it comes.",
    ),
]
Wait = Annotated[
    float,
    Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for the outcome."),
]


class Integration(BaseModel):
    """The integration row: where the ERP's row stands with eMAG, without customers' data."""

    kind: str
    row_id: int
    state: str
    waiting_for: str | None
    reason: str | None
    emag_id: str | None
    emag_status: str | None
    order_id: int | None
    account: str | None
    attempts: int
    last_synced_at: datetime | None
    next_attempt_at: datetime | None


class Answer(BaseModel):
    """What became of an operation; `success` is false where eMAG or the plan refused it."""

    success: bool
    state: str
    error: str | None = None
    message: str
    status: str | None = None
    row_id: int | None = None
    waiting_for: str | None = None
    emag_rma_id: str | None = None
    emag_cancellation_id: str | None = None
    emag_invoice_id: str | None = None
    integration: Integration


def answer(standing: Standing, response: Response | None = None) -> Answer:
    """The answer for a row that stands so; 202 as long as something more happens by itself."""
    if response is not None:
        response.status_code = 200 if standing.settled else 202
    told = result_of(standing)
    integration = Integration(**{**asdict(standing), "kind": standing.kind.value})
    return Answer(integration=integration, **told)
