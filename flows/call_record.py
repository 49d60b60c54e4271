"""The daily care of the call record: the coming days are made, the old ones dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flows.database import open_database
from flows.parameters import RetentionParameters
from integrations.ledger.retention import (
    CallsInUseError,
    Day,
    drop_old_days,
    old_days,
    prepare_days,
)
from integrations.settings import load_settings


@dataclass(frozen=True)
class Trimmed:
    """Old days of the call record, oldest first: dropped, or still there, and why if they may not.

    In a dry run all of them are still there, and nothing is wrong.
    """

    dropped: Sequence[Day]
    left: Sequence[Day]
    problem: str | None = None


async def trim_call_record(parameters: RetentionParameters) -> Trimmed:
    """Make the coming days and drop the old ones.

    Raises:
        ConfigurationError, DatabaseUnreachableError: there is nothing to work on.
    """
    async with open_database(load_settings()) as engine:
        old = await old_days(engine, parameters.days)
        if parameters.dry_run:
            return Trimmed([], old)
        await prepare_days(engine)
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
    )
