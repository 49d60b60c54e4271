"""What is settled for long is forgotten; nothing that is forgotten is told again."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from integrations.ledger import alarms, drift
from integrations.ledger.alarms import forget_settled, raise_alarms, take_alarms
from integrations.ledger.database import autocommit
from integrations.ledger.deadlines import Hours
from integrations.ledger.drift import What, note_drift
from integrations.ledger.engine import Engine
from integrations.ledger.retention import Forgotten, forget_old
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
DAY = 24


async def told(engine: Engine) -> list[str]:
    async with autocommit(engine) as connection:
        await raise_alarms(connection, [MAIN], Hours())
        return [each.subject for each in await take_alarms(connection, [MAIN], Hours())]


async def an_alarm(engine: Engine, about: str, subject: int, days: float) -> None:
    """An alarm that was told, of a deadline so many days ago."""
    await insert(
        engine,
        "emag_alarms",
        platform="emag-ro",
        account="main",
        about=about,
        subject=str(subject),
        due_at=hours_ago(days * DAY),
        told_at="sql:now()",
    )


def local_day(moment: datetime) -> date:
    return moment.astimezone(MAIN.zone).date()


async def test_an_alarm_of_a_return_that_was_closed_long_ago_is_forgotten(
    engine: Engine,
) -> None:
    await an_alarm(engine, "return", RETURN, days=40)
    await mirror_return(engine, status=7, changed_at=hours_ago(35 * DAY))

    assert await forget_settled(engine, 30) == 1
    assert await told(engine) == []


async def test_an_alarm_of_a_return_that_is_open_stays_however_late(engine: Engine) -> None:
    last = local_day(await now(engine)) - timedelta(days=400)
    await mirror_return(engine, finalize_by=last, changed_at=hours_ago(400 * DAY))
    assert await told(engine) == [str(RETURN)]

    assert await forget_settled(engine, 30) == 0
    assert await told(engine) == []


@pytest.mark.parametrize("status", [1, 2, 3, 6, -1, 9])
async def test_a_return_in_any_other_state_is_not_settled(engine: Engine, status: int) -> None:
    await an_alarm(engine, "return", RETURN, days=90)
    await mirror_return(engine, status=status, changed_at=hours_ago(80 * DAY))

    assert await forget_settled(engine, 30) == 0


async def test_a_return_that_was_closed_a_moment_ago_may_be_opened_again(
    engine: Engine,
) -> None:
    await an_alarm(engine, "return", RETURN, days=90)
    await mirror_return(engine, status=7)

    assert await forget_settled(engine, 30) == 0


async def test_an_alarm_whose_row_the_mirror_lacks_stays(engine: Engine) -> None:
    await an_alarm(engine, "return", RETURN, days=400)
    await an_alarm(engine, "wish", ORDER, days=400)

    assert await forget_settled(engine, 30) == 0


async def test_a_document_is_forgotten_once_it_is_no_longer_looked_for(
    engine: Engine,
) -> None:
    late = timedelta(hours=Hours().document)
    finalized = await now(engine) - late - timedelta(days=29, hours=23)
    await mirror_order(engine, finalized_at=finalized)
    assert await told(engine) == [str(ORDER)]
    assert await forget_settled(engine, 30) == 0
    assert await told(engine) == []

    moved = "interval '49 hours'"
    await execute(engine, f"UPDATE app.emag_orders SET finalized_at = finalized_at - {moved}")
    await execute(engine, f"UPDATE app.emag_alarms SET due_at = due_at - {moved}")

    assert await forget_settled(engine, 30) == 1
    assert await told(engine) == []


@pytest.mark.parametrize(("status", "forgotten"), [(0, 1), (4, 1), (5, 1), (1, 0), (2, 0), (3, 0)])
async def test_a_wish_is_settled_when_its_order_is(
    engine: Engine, status: int, forgotten: int
) -> None:
    await an_alarm(engine, "wish", ORDER, days=60)
    await mirror_order(
        engine,
        status=status,
        documents=1,
        wish_at=hours_ago(61 * DAY),
        changed_at=hours_ago(50 * DAY),
    )

    assert await forget_settled(engine, 30) == forgotten
    if forgotten:
        assert await told(engine) == []


async def test_alarms_may_be_kept_for_longer_and_never_shorter(engine: Engine) -> None:
    await an_alarm(engine, "document", ORDER, days=40)
    await an_alarm(engine, "document", ORDER + 1, days=20)

    assert await forget_settled(engine, 60) == 0
    assert await forget_settled(engine, 1) == 1


async def test_as_many_as_there_are_go(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "AT_ONCE", 2)
    for place in range(5):
        await an_alarm(engine, "document", ORDER + place, days=40)

    assert await forget_settled(engine, 30) == 5


async def test_old_keys_and_differences_go_too(engine: Engine) -> None:
    for key, days in (("old", 31), ("young", 29)):
        await insert(
            engine,
            "emag_idempotency_keys",
            key=key,
            fingerprint="f",
            kind="rma",
            row_id=1,
            made_at=hours_ago(days * DAY),
        )
    for subject, days in (("old", 91), ("young", 89)):
        await insert(
            engine,
            "emag_differences",
            platform="emag-ro",
            account="main",
            subject=subject,
            difference="d",
            last_seen_at=hours_ago(days * DAY),
        )

    assert await forget_old(engine, 30) == Forgotten(alarms=0, keys=1, differences=1)
    assert await forget_old(engine, 30) == Forgotten()


async def test_fields_that_are_named_by_their_data_do_not_fill_the_books(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "MOST_OF_A_ROUTE", 3)
    for place in range(5):
        await note_drift(engine, "emag-ro", "order/read", What.UNKNOWN, {f"field {place}": 1})

    known = await note_drift(engine, "emag-ro", "order/read", What.UNKNOWN, {"field 0": 1})
    other = await note_drift(engine, "emag-ro", "rma/read", What.UNKNOWN, {"field 9": 1})

    assert known == []
    assert [each.name for each in other] == ["field 9"]
    unkept = await note_drift(engine, "emag-ro", "order/read", What.UNKNOWN, {"field 4": 1})
    assert unkept == []
