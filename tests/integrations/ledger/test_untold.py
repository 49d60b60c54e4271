"""Rows that need a person are told once, whoever carried them, and again when it happens anew."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from integrations.erp.rows import Kind
from integrations.ledger import untold
from integrations.ledger.alarms import alarms_of, forget_settled
from integrations.ledger.books import BOOKS, State
from integrations.ledger.database import autocommit
from integrations.ledger.deadlines import Hours
from integrations.ledger.engine import Engine
from integrations.ledger.reopened import REOPENED
from integrations.ledger.retention import forget_old
from integrations.ledger.untold import Untold, count_untold, forget_told, take_untold
from tests.integrations.ledger.mirrored import account_at, execute, hours_ago, insert
from tests.integrations.ledger.test_query_plans import scans

HISTORY = 20_000
CANCELLATIONS = "app.emag_cancellation_integrations"


async def queue(
    engine: Engine,
    row_id: int,
    state: str,
    kind: Kind = Kind.CANCELLATION,
    hours: float = 1,
    **columns: object,
) -> None:
    """A row that was queued so long ago and has come to this state."""
    books = BOOKS[kind]
    made = {
        "platform": "emag-ro",
        "account_type": "main",
        "emag_order_id": 480000000 + row_id,
        "error_message": "eMAG refused it: no",
    }
    which = {books.erp_id: row_id, "sync_state": state, "queued_at": hours_ago(hours)}
    await insert(engine, books.table, **{**made, **which, **columns})


async def queue_anew(engine: Engine, row_id: int, state: str = "refused") -> None:
    """The ERP changes a row, or somebody replays it, and it comes to this state."""
    await execute(
        engine,
        f"UPDATE {CANCELLATIONS} SET sync_state = '{state}', queued_at = clock_timestamp()"
        f" WHERE cancellation_request_id = {row_id}",
    )


async def take(engine: Engine, others: Collection[str] = ()) -> list[Untold]:
    async with autocommit(engine) as connection:
        return await take_untold(connection, others)


async def told(engine: Engine, others: Collection[str] = ()) -> list[str]:
    return [f"{each.kind}:{each.row_id} {each.state}" for each in await take(engine, others)]


async def test_what_needs_a_person_is_told_once_with_its_reason(engine: Engine) -> None:
    await queue(engine, 7, "refused")

    assert await take(engine) == [
        Untold(Kind.CANCELLATION, 7, 480000007, "main", State.REFUSED, "eMAG refused it: no")
    ]
    assert await take(engine) == []


async def test_rows_of_every_kind_are_told_the_newest_first(engine: Engine) -> None:
    await queue(engine, 1, "refused", Kind.RMA, hours=3)
    await queue(engine, 1, "in_doubt", Kind.CANCELLATION, hours=1)
    await queue(engine, 1, "refused", Kind.INVOICE, hours=2)

    assert await told(engine) == ["cancellation:1 in_doubt", "invoice:1 refused", "rma:1 refused"]


@pytest.mark.parametrize("state", ["pending", "waiting", "synced", "withdrawn", None])
async def test_no_other_state_is_told(engine: Engine, state: str) -> None:
    await queue(engine, 1, state)

    assert await told(engine) == []


async def test_history_is_not_told(engine: Engine) -> None:
    await queue(engine, 1, "refused", superseded=True)

    assert await told(engine) == []


async def test_a_row_that_is_refused_again_is_told_again(engine: Engine) -> None:
    await queue(engine, 1, "refused")
    first = await told(engine)

    await queue_anew(engine, 1)

    assert await told(engine) == first == ["cancellation:1 refused"]
    assert await told(engine) == []


async def test_what_else_becomes_of_a_told_row_is_no_news(engine: Engine) -> None:
    await queue(engine, 1, "in_doubt")
    await told(engine)
    await execute(
        engine,
        f"UPDATE {CANCELLATIONS} SET wanted_revision = 9, sync_attempts = 3, write_back = NULL,"
        " updated_at = now() + interval '1 hour', next_attempt_at = now()",
    )

    assert await told(engine) == []


async def test_a_doubt_that_ends_in_a_refusal_is_told_as_both(engine: Engine) -> None:
    await queue(engine, 1, "in_doubt")
    doubt = await told(engine)
    await execute(engine, f"UPDATE {CANCELLATIONS} SET sync_state = 'refused'")

    assert doubt == ["cancellation:1 in_doubt"]
    assert await told(engine) == ["cancellation:1 refused"]


async def test_an_order_that_goes_on_once_more_is_told_once_more(engine: Engine) -> None:
    """The books' row is not queued for it: it was agreed about, refused, agreed about."""
    agreed = (
        f"UPDATE {CANCELLATIONS} SET sync_state = 'synced', emag_status = '0',"
        " last_synced_at = timezone('utc', clock_timestamp())"
    )
    goes_on = f"UPDATE {CANCELLATIONS} SET sync_state = 'refused', emag_status = '{REOPENED}'"
    await queue(engine, 1, "pending", queued_at=None)

    found = []
    for _ in range(2):
        await execute(engine, agreed)
        await execute(engine, goes_on)
        found += [await told(engine), await told(engine)]

    assert found == [["cancellation:1 refused"], []] * 2


async def test_accounts_of_others_are_left_to_them_and_no_row_to_nobody(
    engine: Engine,
) -> None:
    await queue(engine, 1, "refused", hours=1)
    await queue(engine, 2, "refused", hours=2, account_type="fbe")
    await queue(engine, 3, "refused", hours=3, account_type="typo", platform=None)
    await queue(engine, 4, "refused", hours=4, account_type=None, platform=None, emag_order_id=None)

    mine = await take(engine, {"fbe"})

    assert [(each.row_id, each.account, each.order_id) for each in mine] == [
        (1, "main", 480000001),
        (3, "typo", 480000003),
        (4, "", None),
    ]
    assert await told(engine, {"main"}) == ["cancellation:2 refused"]


async def test_runs_at_the_same_time_tell_each_row_once_between_them(engine: Engine) -> None:
    for row_id in range(1, 51):
        await queue(engine, row_id, "refused")

    found = await asyncio.gather(*(take(engine) for _ in range(4)))

    assert sorted(row.row_id for each in found for row in each) == list(range(1, 51))


async def test_a_flood_is_told_by_and_by(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untold, "MOST", 2)
    for row_id in (1, 2, 3):
        await queue(engine, row_id, "refused", hours=row_id)

    found = []
    async with autocommit(engine) as connection:
        for _ in range(3):
            rows = [each.row_id for each in await take_untold(connection)]
            found.append((rows, await count_untold(connection)))

    assert found == [([1, 2], 1), ([3], 0), ([], 0)]


async def test_of_what_is_left_only_the_callers_own_is_counted(engine: Engine) -> None:
    await queue(engine, 1, "refused")
    await queue(engine, 2, "refused", account_type="fbe")

    async with autocommit(engine) as connection:
        assert await count_untold(connection) == 2
        assert await count_untold(connection, {"fbe"}) == 1


async def erp_row(engine: Engine, row_id: int, days: int) -> None:
    """The ERP's cancellation of this number, made so many days ago."""
    await execute(
        engine,
        "INSERT INTO app.cancellation_requests (id, created_at)"
        f" VALUES ({row_id}, timezone('utc', now()) - interval '{days} days')",
    )


async def test_of_thousands_of_old_rows_that_were_adopted_none_stands_before_a_fresh_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 1 was queued before them and is refused since; they were queued at once, and later."""
    monkeypatch.setattr(untold, "MOST", 2)
    for row_id, days in ((1, 0), (2, 300), (3, 200)):
        await erp_row(engine, row_id, days)
    await queue(engine, 2, "refused", hours=0.2, wanted_revision=1)
    await queue(engine, 3, "refused", hours=0.1, wanted_revision=1)
    await queue(engine, 1, "refused", hours=1, wanted_revision=1)

    assert await told(engine) == ["cancellation:1 refused", "cancellation:3 refused"]
    assert await told(engine) == ["cancellation:2 refused"]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE app.cancellation_requests DROP COLUMN created_at CASCADE",
        "ALTER TABLE app.cancellation_requests ALTER created_at TYPE text USING 'last spring'",
        "ALTER TABLE app.cancellation_requests ALTER created_at TYPE bigint USING 1748000000",
    ],
    ids=["no such column", "words", "numbers"],
)
async def test_an_erp_that_does_not_say_when_it_made_a_row_is_told_of_it_all_the_same(
    engine: Engine, change: str
) -> None:
    await erp_row(engine, 1, 300)
    await execute(engine, "ALTER TABLE app.cancellation_requests ALTER created_at DROP DEFAULT")
    await execute(engine, change)
    await queue(engine, 1, "refused", wanted_revision=1)

    assert await told(engine) == ["cancellation:1 refused"]


async def test_an_old_row_that_the_erp_has_changed_since_is_a_fresh_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untold, "MOST", 1)
    await erp_row(engine, 1, 300)
    await erp_row(engine, 2, 300)
    await queue(engine, 1, "refused", hours=2, wanted_revision=2)
    await queue(engine, 2, "refused", hours=1, wanted_revision=1)

    assert await told(engine) == ["cancellation:1 refused"]


async def test_no_deadline_of_the_inbox_comes_of_it(engine: Engine) -> None:
    await queue(engine, 1, "refused")
    await told(engine)

    async with autocommit(engine) as connection:
        assert await alarms_of(connection, [account_at()], Hours(), 100) == []


async def told_days_ago(engine: Engine, days: int) -> None:
    await execute(engine, f"UPDATE app.emag_alarms SET told_at = now() - interval '{days} days'")


async def test_what_was_told_is_kept_while_the_row_stays_as_it_is(engine: Engine) -> None:
    for kind in Kind:
        await queue(engine, 1, "refused", kind, hours=10_000)
    await told(engine)
    await told_days_ago(engine, 400)

    assert await forget_told(engine, 30) == 0
    assert await told(engine) == []


@pytest.mark.parametrize(
    "moved_on",
    [
        f"UPDATE {CANCELLATIONS} SET sync_state = 'synced'",
        f"UPDATE {CANCELLATIONS} SET superseded = true",
        f"UPDATE {CANCELLATIONS} SET queued_at = clock_timestamp()",
        f"DELETE FROM {CANCELLATIONS}",
    ],
)
async def test_what_was_told_of_a_row_that_has_moved_on_is_forgotten(
    engine: Engine, moved_on: str
) -> None:
    await queue(engine, 1, "refused")
    await told(engine)
    await execute(engine, moved_on)
    await told_days_ago(engine, 31)

    assert await forget_told(engine, 32) == 0
    assert (await forget_old(engine, 30)).alarms == 1


async def test_neither_kind_of_alarm_is_the_others_to_forget(engine: Engine) -> None:
    await queue(engine, 1, "refused", hours=10_000)
    await told(engine)
    await execute(engine, f"DELETE FROM {CANCELLATIONS}")
    await insert(
        engine,
        "emag_alarms",
        platform="emag-ro",
        account="main",
        about="document",
        subject="480000101",
        due_at=hours_ago(24 * 40),
    )
    await told_days_ago(engine, 400)

    assert (await forget_settled(engine, 30), await forget_told(engine, 30)) == (1, 1)


async def test_as_many_as_there_are_go(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untold, "AT_ONCE", 2)
    for row_id in range(1, 6):
        await queue(engine, row_id, "refused")
    await told(engine)
    await execute(engine, f"DELETE FROM {CANCELLATIONS}")
    await told_days_ago(engine, 40)

    assert await forget_told(engine, 30) == 5


@pytest.fixture
async def crowded(engine: Engine) -> Engine:
    """Books with a long history, of which much was once told."""
    for books in BOOKS.values():
        await execute(
            engine,
            f"INSERT INTO {books.name} ({books.erp_id}, account_type, sync_state, emag_order_id,"
            " platform, queued_at) SELECT n, 'main', 'synced', n, 'emag-ro', now()"
            f" FROM generate_series(1, {HISTORY}) AS n",
        )
        await execute(engine, f"ANALYZE {books.name}")
    await execute(
        engine,
        "INSERT INTO app.emag_alarms (platform, account, about, subject, due_at, told_at)"
        " SELECT 'emag-ro', 'main', 'refused', 'rma:' || n, now(), now()"
        f" FROM generate_series(1, {HISTORY}) AS n",
    )
    await execute(engine, "ANALYZE app.emag_alarms")
    return engine


async def test_telling_reads_no_history(crowded: Engine) -> None:
    async with autocommit(crowded) as connection:
        explained = await connection.execute(
            f"EXPLAIN (FORMAT JSON) {untold._TELL}", {"others": [], "most": 200}
        )
        [plan] = explained.scalar_one()

    assert scans(plan["Plan"]) == [], plan


async def test_forgetting_reads_none_but_what_was_told(crowded: Engine) -> None:
    async with autocommit(crowded) as connection:
        explained = await connection.execute(
            f"EXPLAIN (FORMAT JSON) {untold._FORGET}", {"days": 30, "most": 10_000}
        )
        [plan] = explained.scalar_one()

    assert set(scans(plan["Plan"])) == {"emag_alarms"}, plan
