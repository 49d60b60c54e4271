"""What a service answers, with the integration guide's keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, cast

from integrations.erp.rows import Kind
from integrations.ledger.operations import Standing


class Result(TypedDict, total=False):
    """The answer of every service.

    `success` says that the row was taken on: it is done, or on its way. `state` is where it stands,
    one of `integrations.ledger.books.State`; or `idle` for a row that no sync is asked for, `error`
    where nothing was written. `error` is a sentence that says what to do.
    """

    success: bool
    state: str
    error: str | None
    message: str
    status: str | None
    row_id: int | None
    waiting_for: str | None
    emag_rma_id: str | None
    emag_cancellation_id: str | None
    emag_invoice_id: str | None


EMAG_ID: Mapping[Kind, str] = {
    Kind.RMA: "emag_rma_id",
    Kind.CANCELLATION: "emag_cancellation_id",
    Kind.INVOICE: "emag_invoice_id",
}

_MESSAGES: Mapping[str, str] = {
    "pending": "queued: the next sync carries it",
    "synced": "eMAG and the ERP agree",
    "waiting": "waiting",
    "in_doubt": "an answer of eMAG's was lost: it is settled by reading, nothing is sent twice",
    "refused": "refused",
    "withdrawn": "the ERP has taken it back",
    "idle": "no sync is asked for in this status",
}


def result_of(standing: Standing) -> Result:
    """The answer for a row that stands so."""
    told: dict[str, object] = {
        "success": standing.state != "refused",
        "state": standing.state,
        "error": standing.reason if standing.state == "refused" else None,
        "message": standing.reason or _MESSAGES[standing.state],
        "status": standing.emag_status,
        "row_id": standing.row_id,
        "waiting_for": standing.waiting_for,
        EMAG_ID[standing.kind]: standing.emag_id,
    }
    return cast("Result", told)


def failed(kind: Kind, error: str) -> Result:
    """The answer where nothing was written."""
    told: dict[str, object] = {
        "success": False,
        "state": "error",
        "error": error,
        "message": error,
        "status": None,
        "row_id": None,
        "waiting_for": None,
        EMAG_ID[kind]: None,
    }
    return cast("Result", told)
