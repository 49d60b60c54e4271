"""Alarms come before the deadline, and once."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from integrations.ledger import alarms
from integrations.ledger.alarms import alarms_of, raise_alarms, take_alarms
from integrations.ledger.database import autocommit
from integrations.ledger.deadlines import About, Deadline, Hours
from integrations.ledger.engine import Engine
from tests.integrations.ledger.mirrored import (
    ORDER,
    RETURN,
    account_at,
    execute,
    hours_ago,
    insert,
    mirror_order,
    mirror_return,
    now,
)

MAIN = account_at()


async def told(engine: Engine, hours: Hours | None = None) -> list[str]:
    """What a run raises and tells."""
    return [each.subject for each in await tell(engine, hours or Hours())]


async def tell(engine: Engine, hours: Hours) -> list[Deadline]:
    async with autocommit(engine) as connection:
        await raise_alarms(connection, [MAIN], hours)
        return await take_alarms(connection, [MAIN], hours)


async def raised(engine: Engine) -> list[str]:
    """What a run raises that tells nothing."""
    async with autocommit(engine) as connection:
        return [each.subject for each in await raise_alarms(connection, [MAIN], Hours())]


async def shown(engine: Engine) -> list[Deadline]:
    async with autocommit(engine) as connection:
        return await alarms_of(connection, [MAIN], Hours(), 100)


async def test_an_alarm_comes_a_day_before_the_deadline_and_is_told_once(
    engine: Engine,
) -> None:
    finalized = await now(engine) - timedelta(hours=25)
    await mirror_order(engine, finalized_at=finalized)

    first = await tell(engine, Hours())
    second = await tell(engine, Hours())

    assert first == [
        Deadline(
            platform="emag-ro",
            account="main",
            about=About.DOCUMENT,
            subject=str(ORDER),
            order_id=ORDER,
            due_at=finalized + timedelta(hours=48),
        )
    ]
    assert second == []


async def test_what_is_not_due_that_soon_raises_none(engine: Engine) -> None:
    await mirror_order(engine, finalized_at=hours_ago(23))

    assert await told(engine) == []
    assert await told(engine, Hours(alarm=26)) == [str(ORDER)]


async def test_what_is_late_is_told_too(engine: Engine) -> None:
    await mirror_return(engine, finalize_by=date(2026, 1, 1))

    assert await told(engine) == [str(RETURN)]


async def test_a_deadline_that_moves_is_another_alarm(engine: Engine) -> None:
    await mirror_return(engine, finalize_by=date(2026, 1, 1))
    await told(engine)
    await execute(engine, "UPDATE app.emag_returns SET finalize_by = '2026-01-02'")

    assert await told(engine) == [str(RETURN)]
    [alarm] = await shown(engine)
    assert alarm.due_at.date() == date(2026, 1, 2)


async def test_what_was_handled_meanwhile_is_shown_no_longer(engine: Engine) -> None:
    await mirror_return(engine, finalize_by=date(2026, 1, 1))
    before = await shown(engine)
    await told(engine)
    after = await shown(engine)
    await execute(engine, "UPDATE app.emag_returns SET status = 7")

    assert (before, [each.subject for each in after]) == ([], [str(RETURN)])
    assert await shown(engine) == []


async def test_what_only_emag_can_settle_raises_none_and_one_that_was_raised_is_shown_no_longer(
    engine: Engine,
) -> None:
    await mirror_order(engine, 1, type=2, status=2, wish_at=hours_ago(30))
    await mirror_return(engine, 2, type=2, finalize_by=date(2026, 1, 1))
    before = await told(engine)
    for about, subject, due_at in (
        ("wish", "1", "(SELECT wish_at + interval '24 hours' FROM app.emag_orders)"),
        ("return", "2", "'2026-01-02 00:00 Europe/Bucharest'::timestamptz"),
    ):
        await insert(
            engine,
            "emag_alarms",
            platform="emag-ro",
            account="main",
            about=about,
            subject=subject,
            due_at=f"sql:{due_at}",
            told_at=hours_ago(1),
        )

    assert (before, await shown(engine)) == ([], [])


async def test_an_alarm_that_was_raised_and_told_by_nobody_is_shown_and_told_once(
    engine: Engine,
) -> None:
    await mirror_return(engine, finalize_by=date(2026, 1, 1))

    assert (await raised(engine), await raised(engine)) == ([str(RETURN)], [])
    assert [each.subject for each in await shown(engine)] == [str(RETURN)]
    assert (await told(engine), await told(engine)) == ([str(RETURN)], [])


async def test_an_alarm_whose_cause_is_gone_before_it_was_told_is_not_told(
    engine: Engine,
) -> None:
    await mirror_return(engine, finalize_by=date(2026, 1, 1))
    await raised(engine)
    await execute(engine, "UPDATE app.emag_returns SET status = 7")

    assert await told(engine) == []


async def test_runs_at_the_same_time_tell_each_alarm_once_between_them(
    engine: Engine,
) -> None:
    for number in range(1, 51):
        await mirror_order(engine, number, finalized_at=hours_ago(40 + number / 100))

    found = await asyncio.gather(*(told(engine) for _ in range(4)))

    assert sorted(int(subject) for each in found for subject in each) == list(range(1, 51))


async def test_a_flood_is_told_by_and_by_beginning_with_what_can_still_be_kept(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "MOST", 2)
    for number, age in ((1, 90), (2, 60), (3, 30)):
        await mirror_order(engine, number, finalized_at=hours_ago(age))

    assert [await told(engine) for _ in range(3)] == [["2", "3"], ["1"], []]


async def test_a_flood_that_was_raised_unheard_is_told_in_the_same_order(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, age in ((1, 90), (2, 60), (3, 30)):
        await mirror_order(engine, number, finalized_at=hours_ago(age))
    await raised(engine)
    monkeypatch.setattr(alarms, "MOST", 2)

    assert [await told(engine) for _ in range(3)] == [["2", "3"], ["1"], []]
