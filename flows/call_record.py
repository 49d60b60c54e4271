"""The daily care of the books: the coming days of calls are made, what is old is dropped."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from flows.database import open_database
from flows.parameters import RetentionParameters
from integrations.ledger.retention import (
    CallsInUseError,
    Day,
    Forgotten,
    drop_old_days,
    forget_old,
    old_days,
    prepare_days,
)
from integrations.settings import load_settings

log = logging.getLogger("emag.retention")


@dataclass(frozen=True)
class Trimmed:
    """Old days of the call record, oldest first: dropped, or still there, and why if they may not.

    In a dry run all of them are still there, and nothing is wrong. `forgotten` is what else was
    deleted: alarms, idempotency keys and differences that are settled or out of date.
    """

    dropped: Sequence[Day]
    left: Sequence[Day]
    problem: str | None = None
    forgotten: Forgotten = field(default_factory=Forgotten)


async def trim_call_record(parameters: RetentionParameters) -> Trimmed:
    """Make the coming days, drop the old ones, and delete what else is out of date.

    Raises:
        ConfigurationError, DatabaseUnreachableError: there is nothing to work on.
    """
    async with open_database(load_settings()) as engine:
        old = await old_days(engine, parameters.days)
        if parameters.dry_run:
            return Trimmed([], old)
        await prepare_days(engine)
        forgotten = await forget_old(engine, parameters.days)
        log.info(
            "%s settled alarms, %s idempotency keys and %s differences were out of date",
            forgotten.alarms,
            forgotten.keys,
            forgotten.differences,
        )
        gone, problem = set(), None
        try:
            async for day in drop_old_days(engine, parameters.days):
                gone.add(day)
        except CallsInUseError as error:
            problem = str(error)
    return Trimmed(
        [each for each in old if each.day in gone],
        [each for each in old if each.day not in gone],
        problem,
        forgotten,
    )
