"""Whether the integration is connected, what it does, and how it is set up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from integrations.ledger.findings import Finding
from integrations.ledger.patience import NoAnswerError
from integrations.web.context import Context, Given
from integrations.web.problems import NotFoundError, documented
from integrations.web.prompt import prompt, unless_frozen

# The last successful call is younger than this.
CONNECTED_SECONDS = 300

# So many calls are looked through for an account's last success: more than eMAG's limits let three
# accounts of three platforms make in CONNECTED_SECONDS.
_LOOKED_THROUGH = 20_000

# By the calls' own order, newest first, whosever they are: a day may hold a million of others'.
_LAST_SUCCESS = f"""
    SELECT a.name AS account, c.closed_at AS at,
           c.closed_at > clock_timestamp() - make_interval(secs => :recent) AS connected
      FROM unnest(CAST(:names AS text[])) AS a(name),
           LATERAL (SELECT closed_at
                      FROM (SELECT account, verdict, closed_at, sent_at FROM app.emag_api_calls
                             WHERE sent_at > clock_timestamp() - interval '1 day'
                             ORDER BY sent_at DESC LIMIT {_LOOKED_THROUGH}) AS newest
                     WHERE verdict = 'applied' AND lower(account) = a.name
                     ORDER BY sent_at DESC LIMIT 1) AS c
"""

FLOWS: Mapping[str, Mapping[str, Any]] = {
    "rma_management": {
        "description": "Returns Management (RMA)",
        "endpoints": ["POST /rma/create", "POST /rma/update_status", "GET /rma/{rma_id}"],
        "flow": "rma-sync",
        "status": "ready",
    },
    "order_cancellations": {
        "description": "Order Cancellation Processing",
        "endpoints": ["POST /order/cancel", "POST /order/process_refund"],
        "flow": "cancellation-sync",
        "status": "ready",
    },
    "invoice_management": {
        "description": "Invoice Creation and Management",
        "endpoints": [
            "POST /invoice/create",
            "POST /invoice/update_payment",
            "GET /invoice/{invoice_id}",
        ],
        "flow": "invoice-sync",
        "status": "ready",
    },
}

router = APIRouter(
    prefix="/integration", tags=["integration"], responses=documented(401, 421, 429, 503)
)


class AccountStatus(BaseModel):
    """One account: whether eMAG answered it under five minutes ago, and when it last did."""

    connected: bool
    account_type: str
    platform: str
    last_success_at: str | None


class IntegrationStatus(AccountStatus):
    """The first account, what is supported, and all accounts by name."""

    supported_flows: list[str]
    accounts: dict[str, AccountStatus]


class StatusAnswer(BaseModel):
    """The answer of the integration guide; more keys may follow."""

    status: str = "success"
    integration_status: IntegrationStatus
    message: str = "eMAG integration status retrieved"


class FlowsAnswer(BaseModel):
    """What is supported."""

    status: str = "success"
    supported_flows: dict[str, Any]


class ConfigurationAnswer(BaseModel):
    """How it is set up; of a secret, whether it is set."""

    status: str = "success"
    configuration: dict[str, Any]


class Connection(BaseModel):
    """The account to test."""

    model_config = ConfigDict(extra="forbid")

    account_type: Annotated[str, Field(min_length=1, max_length=10)] = "main"


class StepAnswer(BaseModel):
    """One step of first contact."""

    name: str
    ok: bool
    detail: str
    remedy: str


class ConnectionAnswer(BaseModel):
    """Every step of first contact; `status` is `error` where one failed."""

    status: str
    connected: bool
    message: str
    steps: list[StepAnswer]


@router.get("/status", summary="Whether eMAG answers")
async def status(given: Given) -> StatusAnswer:
    """Whether the last successful call was under five minutes ago."""
    accounts = await _accounts(given)
    first = next(iter(accounts.values()), None)
    if first is None:
        raise HTTPException(503, "no eMAG account is configured: set EMAG_USERNAME")
    told = IntegrationStatus(
        **first.model_dump(), supported_flows=list(FLOWS), accounts=dict(accounts)
    )
    return StatusAnswer(integration_status=told)


@router.get("/flows", summary="What is supported")
async def flows() -> FlowsAnswer:
    """The flows that there are, and their endpoints."""
    return FlowsAnswer(supported_flows={name: dict(flow) for name, flow in FLOWS.items()})


@router.get("/configuration", summary="How it is set up")
async def configuration(given: Given) -> ConfigurationAnswer:
    """The settings without a secret."""
    return ConfigurationAnswer(configuration=dict(given.configuration))


@router.post(
    "/test-connection",
    summary="First contact, step by step",
    responses=documented(400, 404, 408, 413, 415, 422),
)
async def test_connection(
    given: Given, connection: Annotated[Connection, Body()]
) -> ConnectionAnswer:
    """Look at every step of first contact with an account; nothing is written."""
    name = connection.account_type.lower()
    if name not in given.accounts:
        known = ", ".join(given.accounts) or "none"
        raise NotFoundError(
            f"account_type: there is no account {name!r}; there are: {known}", "account_type"
        )
    found = await _examine(given, name)
    steps = [
        StepAnswer(name=each.name, ok=each.ok, detail=each.detail, remedy=each.remedy)
        for findings in found.values()
        for each in findings
    ]
    failed = next((step for step in steps if not step.ok), None)
    return ConnectionAnswer(
        status="error" if failed else "success",
        connected=failed is None,
        message=f"{failed.name}: {failed.detail}; {failed.remedy}"
        if failed
        else "all steps passed",
        steps=steps,
    )


async def _examine(given: Context, name: str) -> Mapping[str, Sequence[Finding]]:
    try:
        return await unless_frozen(given.database.engine, given.examine(name))
    except NoAnswerError as error:
        remedy = "see that its server runs and is not overloaded"
        return {"database": [Finding("database", False, str(error), remedy)]}


async def _accounts(context: Context) -> dict[str, AccountStatus]:
    async def last_successes() -> Mapping[str, Any]:
        async with prompt(context.database.engine) as connection:
            values = {"names": list(context.accounts), "recent": CONNECTED_SECONDS}
            found = await connection.execute(_LAST_SUCCESS, values)
            return {row.account: row for row in found}

    rows = await context.recent.ask(last_successes)
    return {
        name: AccountStatus(
            connected=bool(name in rows and rows[name].connected),
            account_type=name,
            platform=account.platform,
            last_success_at=rows[name].at.isoformat() if name in rows else None,
        )
        for name, account in context.accounts.items()
    }
