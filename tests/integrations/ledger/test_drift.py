"""What eMAG's answers hold that nobody foresaw is counted, and shown once."""

from __future__ import annotations

from integrations.ledger.database import autocommit
from integrations.ledger.drift import Drift, What, lately_met, note_drift, take_unshown
from integrations.ledger.engine import Engine
from tests.integrations.ledger.mirrored import execute

PLATFORM, ROUTE = "emag-ro", "order/read"


async def unshown(engine: Engine) -> list[Drift]:
    async with autocommit(engine) as connection:
        return await take_unshown(connection, [PLATFORM])


async def lately(engine: Engine) -> list[Drift]:
    async with autocommit(engine) as connection:
        return await lately_met(connection, [PLATFORM], 7)


async def test_a_field_is_new_once_and_counted_ever_after(engine: Engine) -> None:
    first = await note_drift(engine, PLATFORM, ROUTE, What.UNKNOWN, {"promise": 3})
    again = await note_drift(engine, PLATFORM, ROUTE, What.UNKNOWN, {"promise": 2, "badge": 1})

    assert [each.name for each in first] == ["promise"]
    assert [each.name for each in again] == ["badge"]
    assert {each.name: each.seen for each in await lately(engine)} == {"promise": 5, "badge": 1}


async def test_a_changed_type_keeps_what_came_instead(engine: Engine) -> None:
    await note_drift(engine, PLATFORM, ROUTE, What.TYPE, {"order status": 1}, "a list")

    [met] = await lately(engine)

    assert str(met) == "order/read sends order status as a list, which can't be read"


async def test_each_is_shown_once(engine: Engine) -> None:
    await note_drift(engine, PLATFORM, ROUTE, What.UNKNOWN, {"promise": 1})
    await note_drift(engine, "emag-bg", ROUTE, What.UNKNOWN, {"elsewhere": 1})

    first, second = await unshown(engine), await unshown(engine)
    await note_drift(engine, PLATFORM, ROUTE, What.UNKNOWN, {"promise": 1})

    assert [str(each) for each in first] == [
        "order/read sends a field that is not known here: promise"
    ]
    assert (second, await unshown(engine)) == ([], [])


async def test_what_was_met_long_ago_is_known_by_now(engine: Engine) -> None:
    await note_drift(engine, PLATFORM, ROUTE, What.UNKNOWN, {"promise": 1})
    await execute(engine, "UPDATE app.emag_drift SET first_at = now() - interval '8 days'")

    assert await lately(engine) == []
