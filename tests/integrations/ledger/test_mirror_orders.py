"""When an order was finalized, as the mirror keeps it: its document is due from then on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from integrations.emag.order_facts import sight_of
from integrations.ledger.database import rolled_back
from integrations.ledger.engine import Engine
from integrations.ledger.mirror_orders import see_orders
from tests.integrations.ledger.mirrored import ORDER

PREPARED, FINALIZED, RETURNED = 3, 4, 5
FIRST, LATER, LAST = "2026-11-26 10:00:00", "2026-11-26 18:00:00", "2026-11-27 09:00:00"


class Mirror:
    """Reads of one order, each a minute after the one before."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._read_at = datetime.now(UTC)

    async def read(self, status: int, modified: str | None, finalized: str | None = None) -> None:
        raw = {"status": status, "modified": modified, "finalization_date": finalized}
        self._read_at += timedelta(minutes=1)
        sight = sight_of(ORDER, raw, ZoneInfo("UTC"), self._read_at, 3)
        await see_orders(self._engine, "emag-ro", "main", self._read_at, [sight])

    async def finalized_at(self) -> str | None:
        async with rolled_back(self._engine) as connection:
            found = await connection.execute("SELECT finalized_at FROM app.emag_orders")
        moment = found.scalar_one()
        return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


@pytest.fixture
def mirror(engine: Engine) -> Mirror:
    return Mirror(engine)


async def test_is_what_emag_says(mirror: Mirror) -> None:
    await mirror.read(FINALIZED, LATER, FIRST)

    assert await mirror.finalized_at() == FIRST


async def test_without_emags_word_is_when_it_was_first_seen_finalized(mirror: Mirror) -> None:
    await mirror.read(PREPARED, FIRST)
    before = await mirror.finalized_at()
    await mirror.read(FINALIZED, LATER)
    first = await mirror.finalized_at()
    await mirror.read(FINALIZED, LAST)

    assert (before, first, await mirror.finalized_at()) == (None, LATER, LATER)


async def test_is_what_emag_says_later_on(mirror: Mirror) -> None:
    await mirror.read(FINALIZED, LATER)
    await mirror.read(FINALIZED, LAST, FIRST)

    assert await mirror.finalized_at() == FIRST


async def test_stays_what_emag_has_said_where_it_no_longer_does(mirror: Mirror) -> None:
    await mirror.read(FINALIZED, FIRST, FIRST)
    await mirror.read(FINALIZED, LATER)

    assert await mirror.finalized_at() == FIRST


async def test_of_an_order_that_was_finalized_anew_counts_anew(mirror: Mirror) -> None:
    await mirror.read(FINALIZED, FIRST)
    await mirror.read(RETURNED, LATER)
    between = await mirror.finalized_at()
    await mirror.read(FINALIZED, LAST)

    assert (between, await mirror.finalized_at()) == (None, LAST)


async def test_is_unknown_where_emag_gives_no_time_at_all(mirror: Mirror) -> None:
    await mirror.read(FINALIZED, None)
    unknown = await mirror.finalized_at()
    await mirror.read(FINALIZED, LATER)

    assert (unknown, await mirror.finalized_at()) == (None, LATER)
