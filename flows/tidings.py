"""What a run has to tell beside its rows: alarms that nobody was told, fields that nobody knew."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from flows.database import DatabaseUnreachableError, open_connection
from flows.deadlines import REMEDIES, due_text
from integrations.ledger.alarms import raise_alarms, take_alarms
from integrations.ledger.deadlines import Deadline, Hours
from integrations.ledger.drift import Drift, take_unshown
from integrations.settings import load_settings

log = logging.getLogger("emag.deadlines")


@dataclass(frozen=True)
class Tidings:
    """Told once, by whoever gathers them."""

    alarms: Sequence[Deadline] = ()
    drift: Sequence[Drift] = ()


async def gather_tidings(account: str, *, heard: bool) -> Tidings:
    """Raise the alarms of an account, or of all, and log each; what is now to be told of them.

    A run that is not `heard` by anybody leaves the telling to one that is. What stands in the
    way is logged.

    Raises:
        ConfigurationError: there is no such account.
    """
    settings = load_settings()
    accounts, hours = settings.chosen(account), Hours(**settings.hours())
    try:
        async with open_connection(settings) as connection:
            for alarm in await raise_alarms(connection, accounts, hours):
                log.warning(
                    "%s (account %s): %s", due_text(alarm), alarm.account, REMEDIES[alarm.about]
                )
            if not heard:
                return Tidings()
            alarms = await take_alarms(connection, accounts, hours)
            drift = await take_unshown(connection, [each.platform for each in accounts])
            return Tidings(alarms, drift)
    except (psycopg.Error, DatabaseUnreachableError) as error:
        log.warning("no alarm could be raised: %s", str(error).partition("\n")[0])
        return Tidings()


def tidings_table(tidings: Tidings) -> list[dict[str, Any]]:
    """A line for each alarm and each new field, in the columns of a run's table."""
    return [
        {
            "account": alarm.account,
            "row": f"{alarm.about.value} {alarm.subject}",
            "state": "due",
            "reason": f"{due_text(alarm)}: {REMEDIES[alarm.about]}",
        }
        for alarm in tidings.alarms
    ] + [
        {"account": each.platform, "row": each.route, "state": "new at eMAG", "reason": str(each)}
        for each in tidings.drift
    ]
