"""Differences in the books: when a sight counts, and when they are forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from integrations.ledger.database import database_time, rolled_back, transaction
from integrations.ledger.differences import (
    About,
    Difference,
    Sight,
    Why,
    forget_unseen,
    see,
)
from integrations.ledger.engine import Engine

ONE = Difference(About.ORDER, 480000101, date(2026, 11, 2), "eMAG says 0, the mirror has 2")
WHERE = ("emag-ro", "main")


async def sight(engine: Engine, difference: Difference, apart: float) -> Sight:
    return (await see(engine, *WHERE, [difference], apart))[difference.subject]


async def minutes_pass(engine: Engine, minutes: int) -> None:
    async with transaction(engine) as connection:
        await connection.execute(
            "UPDATE app.emag_differences SET"
            " first_seen_at = first_seen_at - make_interval(mins => :minutes),"
            " last_seen_at = last_seen_at - make_interval(mins => :minutes)",
            {"minutes": minutes},
        )


async def kept(engine: Engine) -> set[str]:
    async with rolled_back(engine) as connection:
        rows = await connection.execute("SELECT subject FROM app.emag_differences")
        return {row.subject for row in rows}


async def test_once_is_no_proof_and_twice_with_time_between_is(engine: Engine) -> None:
    assert not (await sight(engine, ONE, 300)).believed
    assert not (await sight(engine, ONE, 300)).believed
    await minutes_pass(engine, 6)
    assert (await sight(engine, ONE, 300)).believed


async def test_another_difference_of_the_same_row_is_a_new_one(engine: Engine) -> None:
    await sight(engine, ONE, 0)

    moved = await sight(engine, replace(ONE, text="eMAG says 4, the mirror has 2"), 0)

    assert moved.times == 1


async def test_what_the_erp_and_what_emag_holds_otherwise_are_two(engine: Engine) -> None:
    await see(engine, *WHERE, [ONE, replace(ONE, in_erp=True)], 0)

    assert len(await kept(engine)) == 2


@pytest.mark.parametrize(
    ("first", "last", "stays"),
    [(1, 3, False), (2, 2, False), (3, 9, True), (1, 1, True)],
)
async def test_only_the_windows_unseen_ones_are_forgotten(
    engine: Engine, first: int, last: int, stays: bool
) -> None:
    await sight(engine, ONE, 0)
    began = await database_time(engine)

    await forget_unseen(engine, *WHERE, date(2026, 11, first), date(2026, 11, last), began)

    assert bool(await kept(engine)) is stays


async def test_what_was_seen_again_stays(engine: Engine) -> None:
    began = await database_time(engine)
    await sight(engine, replace(ONE, why=Why.PARKED, detail="no \0 room"), 0)

    await forget_unseen(engine, *WHERE, date(2026, 11, 1), date(2026, 11, 3), began)

    assert await kept(engine) == {"2026-11-02 order 480000101"}
