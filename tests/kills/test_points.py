"""Workers die at every named point of the way; others bring every row to its end, once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from integrations.ledger.points import WAY_IN, Point
from tests.kills.conftest import OpenYard
from tests.kills.scenarios import FIRST_ORDER, SCENARIOS, Scenario

# Passed for each write that a row needs; the others once.
FOR_EACH_STEP = (
    Point.READ,
    Point.PLANNED,
    Point.RESERVED,
    Point.INTENDED,
    Point.ANSWERED,
    Point.NOTED,
)

AT_ONCE = 3

# Whoever finds another worker folding the changes leaves them to it, has nothing to do, and comes
# again.
MOST_TRIES = 4


def deaths(scenario: Scenario) -> Iterator[tuple[Point, int]]:
    """Every point of the way out, and at which visit there a worker dies."""
    for point in Point:
        if point in WAY_IN:
            continue
        visits = scenario.steps if point in FOR_EACH_STEP else 1
        yield from ((point, visit) for visit in range(1, visits + 1))


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_wherever_workers_die_every_row_ends_well_and_has_its_effects_once(
    scenario: Scenario, database_url: str, open_yard: OpenYard
) -> None:
    # Each death has a row and an account of its own, so that no other worker comes to it before.
    died = {f"d{number}": death for number, death in enumerate(deaths(scenario))}
    orders = {account: FIRST_ORDER + number for number, account in enumerate(died)}
    yard = await open_yard(database_url, list(died))
    rows = {each: await scenario.add(yard.shop, orders[each], each) for each in died}
    at_once = asyncio.Semaphore(AT_ONCE)

    async def die(account: str, point: Point, visit: int) -> None:
        errand = yard.errand(scenario.kind, account, dies_at=point, visit=visit)
        async with at_once:
            for _ in range(MOST_TRIES):
                if await yard.work(errand) == -signal.SIGKILL:
                    return
        raise AssertionError(f"nobody came to {point} {visit}")

    await asyncio.gather(*(die(account, *death) for account, death in died.items()))
    await yard.finish([scenario.kind])
    ends = {died[each]: await yard.states(scenario.kind, rows[each]) for each in died}
    assert {death: states for death, states in ends.items() if states != {"synced"}} == {}
    strange = {
        died[each]: scenario.done(yard.shop, orders[each])
        for each in died
        if not scenario.fits(yard.shop, orders[each])
    }
    assert strange == {}
    assert await yard.wrong() == []
