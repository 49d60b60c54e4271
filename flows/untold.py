"""Rows that need a person and stand in no run yet: a run tells them, whoever carried them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg

from flows.database import DatabaseUnreachableError, open_connection
from flows.report import Problem
from integrations.emag.accounts import Account
from integrations.emag.panel import panel_url
from integrations.ledger.untold import Untold, count_untold, take_untold
from integrations.settings import load_settings

log = logging.getLogger("emag.untold")


@dataclass(frozen=True)
class Told:
    """A row that whoever gathered it tells; `account` is empty where the row has none."""

    account: str
    problem: Problem


@dataclass(frozen=True)
class Telling:
    """What a run tells of rows, and how many are left for the next ones to tell."""

    told: Sequence[Told] = ()
    left: int = 0


NOTHING_TOLD = Telling()


async def gather_untold(account: str) -> Telling:
    """Rows of an account, or of all, and of no account that is known, which are now to be told.

    What stands in the way is logged.

    Raises:
        ConfigurationError: there is no such account.
    """
    settings = load_settings()
    chosen = {each.name for each in settings.chosen(account)}
    try:
        async with open_connection(settings) as connection:
            others = settings.accounts.keys() - chosen
            rows = await take_untold(connection, others)
            left = await count_untold(connection, others) if rows else 0
    except (psycopg.Error, DatabaseUnreachableError) as error:
        log.warning("no row could be told: %s", str(error).partition("\n")[0])
        return Telling()
    return Telling([_told(row, settings.accounts) for row in rows], left)


def _told(row: Untold, accounts: Mapping[str, Account]) -> Told:
    account = accounts.get(row.account)
    url = panel_url(account, row.order_id) if account and row.order_id else None
    return Told(row.account, Problem(row.kind, row.row_id, row.state, row.reason, url))
