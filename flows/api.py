"""Serve the HTTP endpoints: to the seller's programs, and to eMAG."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flows.database import DatabaseUnreachableError, open_database
from flows.doctor import examine
from flows.env_file import LOOK_SECONDS, EnvFile
from flows.exposure import require_token
from integrations.ledger.findings import Finding
from integrations.ledger.web_secret import web_secret
from integrations.services.books import Database
from integrations.settings import ConfigurationError, Settings
from integrations.web.callbacks import secret_of
from integrations.web.context import Context

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

PORT = 8000

# No request needs a connection for longer: a transaction waits two seconds for a lock.
HELD_SECONDS = 10.0

EVENTS = ("new_order", "order_cancellation", "return_status", "awb_status", "documentation")


@asynccontextmanager
async def open_context(settings: Settings) -> AsyncIterator[Context]:
    """What the endpoints work with, for as long as the block runs."""
    async with open_database(settings) as engine:
        engine.hold_at_most(HELD_SECONDS)
        yield Context(
            database=Database(engine),
            secret=await web_secret(engine),
            examine=_examined,
            **_configured(settings),
        )


def _configured(settings: Settings) -> dict[str, Any]:
    """What of a context the settings say."""
    return {
        "accounts": settings.accounts,
        "token": settings.api_token.get_secret_value() if settings.api_token else None,
        "public_url": settings.public_url,
        "configuration": told(settings),
    }


@asynccontextmanager
async def up_to_date(app: FastAPI, settings: Settings, host: str) -> AsyncIterator[None]:
    """While the block runs the application takes over what `.env` says, whenever that changes."""
    following = asyncio.create_task(_follow(app, settings, host))
    try:
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _follow(app: FastAPI, settings: Settings, host: str) -> None:
    def check(new: Settings) -> None:
        require_token(new, host)
        if app.state.context.token is not None and new.api_token is None:
            raise ConfigurationError(
                "EMAG_API_TOKEN", "is gone, and everybody could come in", "restart if that is meant"
            )

    file = EnvFile("the HTTP endpoints", settings, check)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if changed := file.changed():
            app.state.context = replace(app.state.context, **_configured(changed))


async def _examined(account: str) -> Mapping[str, list[Finding]]:
    """Every step of first contact; what keeps it from beginning is a step that failed."""
    try:
        return (await examine(account)).findings
    except DatabaseUnreachableError as error:
        detail, _, remedy = str(error).rpartition(": ")
        return {"database": [Finding("database", False, detail, remedy)]}
    except ConfigurationError as error:
        detail, _, remedy = str(error).rpartition("; ")
        return {"configuration": [Finding("configuration", False, detail, remedy)]}


def callback_urls(context: Context) -> dict[str, list[str]]:
    """The addresses to enter in eMAG's panel, by account, with their secrets.

    Raises ConfigurationError without EMAG_PUBLIC_URL.
    """
    if context.public_url is None:
        raise ConfigurationError(
            "EMAG_PUBLIC_URL", "is not set", "write the address under which eMAG reaches this host"
        )
    return {
        name: [
            _callback(context.public_url, secret_of(context, account), event) for event in EVENTS
        ]
        for name, account in context.accounts.items()
    }


def told_callbacks(settings: Settings) -> list[str]:
    """For a terminal: where eMAG's callbacks go, without the secret; nothing if they can't come."""
    if settings.public_url is None:
        return []
    address = _callback(settings.public_url, "{secret}", "{event}")
    return [f"{address}  (with the secret: emag-flows api --callbacks)"]


def _callback(public_url: str, secret: str, event: str) -> str:
    return f"{public_url.rstrip('/')}/api/v1/emag/callbacks/{secret}/{event}"


def make_server(app: FastAPI, host: str, port: int) -> uvicorn.Server:
    """A server of the endpoints, not started yet."""
    import uvicorn

    from integrations.web.connections import MOST, ShortLived

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        http=ShortLived,
        ws="none",
        limit_concurrency=2 * MOST,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


def told(settings: Settings) -> dict[str, Any]:
    """The settings as they may be told: of a secret, only whether it is set."""
    return {
        "environment": settings.environment,
        "accounts": {
            name: {
                "account_type": account.account_type,
                "platform": account.platform,
                "base_url": account.base_url,
                "currency": account.currency,
                "credentials": "set",
            }
            for name, account in settings.accounts.items()
        },
        "rate_limits": {
            "orders": settings.rate_limit_orders,
            "offers": settings.rate_limit_offers,
            "rma": settings.rate_limit_rma,
            "invoices": settings.rate_limit_invoices,
        },
        "quiet_seconds": settings.quiet_seconds,
        "settle_seconds": settings.settle_seconds,
        "cancellations_require_approval": settings.cancellations_require_approval,
        "write_back": settings.write_back,
        "check_documents": settings.check_documents,
        "public_url": settings.public_url,
        "calls_key": "set" if settings.calls_key else "not set",
        "api_token": "set" if settings.api_token else "not set",
    }
