"""Rows that need a person and stand in no run yet: a run tells them, whoever carried them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from flows.database import DatabaseUnreachableError, open_connection
from flows.report import Problem
from integrations.emag.accounts import Account
from integrations.emag.panel import panel_url
from integrations.ledger.untold import Untold, take_untold
from integrations.settings import load_settings

log = logging.getLogger("emag.untold")


@dataclass(frozen=True)
class Told:
    """A row that whoever gathered it tells; `account` is empty where the row has none."""

    account: str
    problem: Problem


async def gather_untold(account: str) -> list[Told]:
    """Rows of an account, or of all, and of no account that is known, which are now to be told.

    What stands in the way is logged.

    Raises:
        ConfigurationError: there is no such account.
    """
    settings = load_settings()
    chosen = {each.name for each in settings.chosen(account)}
    try:
        async with open_connection(settings) as connection:
            rows = await take_untold(connection, settings.accounts.keys() - chosen)
    except (psycopg.Error, DatabaseUnreachableError) as error:
        log.warning("no row could be told: %s", str(error).partition("\n")[0])
        return []
    return [_told(row, settings.accounts) for row in rows]


def _told(row: Untold, accounts: Mapping[str, Account]) -> Told:
    account = accounts.get(row.account)
    url = panel_url(account, row.order_id) if account and row.order_id else None
    return Told(row.account, Problem(row.kind, row.row_id, row.state, row.reason, url))
