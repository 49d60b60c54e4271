"""The past of a shop, read in slices as background work, and going on where it stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest

from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from integrations.ledger.clock import read_clock
from integrations.ledger.cursors import read_cursor
from integrations.ledger.database import transaction
from integrations.ledger.instants import Instant
from integrations.sandbox.clock import local_text
from integrations.sync.backfill import Course, backfill, open_courses
from integrations.sync.channel import Channel, Tally
from integrations.sync.outage import OutageError
from integrations.sync.packed import PackedPage
from integrations.sync.page import Page
from integrations.sync.probe import probe_all_if_down
from integrations.sync.receipt import Receipt
from integrations.sync.storing import Storage, StoringError, storing
from tests.end_to_end.conftest import Shop

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
SINCE, UNTIL = date(2026, 8, 1), date(2026, 9, 30)
FIRST = 480000101

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def _today(shop: Shop) -> None:
    shop.market.now = lambda: NOW


def orders(shop: Shop, placed: Iterable[datetime], first: int = FIRST, kind: int = 3) -> set[int]:
    numbered = list(enumerate(placed, first))
    shop.market.add_orders(
        [{"id": each, "status": 4, "type": kind, "date": at} for each, at in numbered]
    )
    return {each for each, _ in numbered}


def through(since: date, until: date, count: int) -> list[datetime]:
    """So many moments spread evenly over some days, of which none is at the very ends."""
    first = datetime(since.year, since.month, since.day, 1, tzinfo=UTC)
    last = datetime(until.year, until.month, until.day, 19, tzinfo=UTC)
    return [first + (last - first) * each / (count - 1) for each in range(count)]


async def open_parts(
    shop: Shop, *parts: str, since: date = SINCE, until: date = UNTIL
) -> tuple[Channel, list[Course]]:
    channel = replace(shop.channel, background=True, tally=Tally())
    courses = await open_courses(channel, since, until)
    return channel, [each for each in courses if not parts or each.stream.name in parts]


async def fill(
    shop: Shop, *parts: str, since: date = SINCE, until: date = UNTIL
) -> dict[str, Course]:
    """Fill in some parts of the history, or all of it."""
    channel, courses = await open_parts(shop, *parts, since=since, until=until)
    await backfill(channel, courses, 8, Receipt(), lambda _: None)
    return {course.stream.name: course for course in courses}


async def mirrored(shop: Shop, table: str = "emag_orders", column: str = "order_id") -> set[int]:
    rows = await shop.sql(f"SELECT {column} FROM app.{table}")
    return {row[column] for row in rows}


async def stored(shop: Shop, part: str) -> int:
    whose = (shop.channel.account.platform, "main")
    cursor = await read_cursor(shop.channel.engine, *whose, f"backfill:{part}")
    return int((cursor.detail or {})["stored"]) if cursor else 0


class TestReading:
    async def test_all_of_the_history_is_stored(self, shop: Shop) -> None:
        placed = through(SINCE, UNTIL, 230)
        own = orders(shop, placed)
        fulfilled = orders(shop, placed[:3], FIRST + 1000, kind=2)
        shop.market.add_returns(
            [
                {"emag_id": 52000001 + each, "order_id": FIRST + each, "type": kind, "date": at}
                for each, (kind, at) in enumerate([(3, placed[5]), (2, placed[90])])
            ]
        )
        for category, order_id in (("normal", FIRST), ("storno", FIRST), ("FC", None)):
            shop.market.add_issued_invoice(
                {"category": category, "order_id": order_id, "date": "2026-08-15"}
            )
        courses = await fill(shop)
        assert await mirrored(shop) == own | fulfilled
        assert await mirrored(shop, "emag_returns", "emag_id") == {52000001, 52000002}
        sources = await shop.sql(
            "SELECT source, count(*) AS n FROM app.emag_issued_invoices GROUP BY 1"
        )
        assert {row["source"]: row["n"] for row in sources} == {"customer-invoice": 2, "invoice": 1}
        assert all(course.is_done for course in courses.values())
        assert courses["orders:3"].rows == 230

    async def test_what_lies_outside_of_the_days_is_left_alone(self, shop: Shop) -> None:
        inside = orders(shop, through(SINCE, UNTIL, 5))
        day = timedelta(days=1)
        orders(shop, through(SINCE - 3 * day, SINCE - 2 * day, 5), FIRST + 100)
        orders(shop, through(UNTIL + 2 * day, UNTIL + 3 * day, 5), FIRST + 200)
        await fill(shop, "orders:3")
        assert await mirrored(shop) == inside

    @pytest.mark.parametrize(
        "switches",
        [
            {"page_cap": 40},
            {"page_shift": True},
            {"repeat_last_page": True},
            {"count_strings": False},
            {"strings_for_numbers": True},
            {"unknown_fields": True},
        ],
        ids=lambda switches: next(iter(switches)),
    )
    async def test_whatever_the_pages_are_like_every_row_is_stored(
        self, shop: Shop, switches: dict[str, object]
    ) -> None:
        expected = orders(shop, through(SINCE, UNTIL, 330))
        shop.switch(**switches)
        courses = await fill(shop, "orders:3")
        assert courses["orders:3"].problem is None
        assert await mirrored(shop) == expected

    async def test_a_listing_that_ignores_the_days_is_given_up_with_the_reason(
        self, shop: Shop
    ) -> None:
        orders(shop, through(date(2026, 10, 1), date(2026, 10, 20), 40))
        shop.switch(ignored_filters=frozenset({"createdAfter", "createdBefore"}))
        courses = await fill(shop, "orders:3", "invoice")
        assert "ignored its filter" in (courses["orders:3"].problem or "")
        assert await stored(shop, "orders:3") == 0
        assert courses["invoice"].is_done

    @pytest.mark.parametrize("day", [SPRING, AUTUMN], ids=["spring", "autumn"])
    async def test_no_order_of_a_clock_change_is_left_out(self, shop: Shop, day: date) -> None:
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=3)
        night = [midnight + timedelta(minutes=10 * each) for each in range(60)]
        texts = [local_text(each) for each in night]
        assert len(set(texts)) < len(night) or not any(" 03:" in each for each in texts)
        expected = orders(shop, night)
        before, after = day - timedelta(days=1), day
        await fill(shop, "orders:3", since=before, until=before)
        await fill(shop, "orders:3", since=after, until=after)
        assert await mirrored(shop) == expected

    async def test_days_that_are_not_over_are_read_up_to_now(self, shop: Shop) -> None:
        now = datetime.now(UTC)
        shop.market.now = lambda: now
        expected = orders(shop, [now - timedelta(days=2), now - timedelta(seconds=5)])
        today = now.astimezone(shop.channel.account.zone).date()  # a history has eMAG's days
        await fill(shop, "orders:3", since=today - timedelta(days=5), until=today)
        assert await mirrored(shop) == expected


class TestGoingOn:
    async def test_after_a_stop_only_what_was_not_stored_is_read(self, shop: Shop) -> None:
        few, many = (
            through(SINCE, SINCE, 50),
            through(UNTIL, UNTIL, 900),
        )  # the last slice ends last
        expected = orders(shop, few) | orders(shop, many, FIRST + 100)
        requests = shop.market.journal.requests_to
        channel, [course] = await open_parts(shop, "orders:3")

        def watch(each: Course) -> None:
            if each.stored:
                running.cancel()

        running = asyncio.create_task(backfill(channel, [course], 2, Receipt(), watch))
        with suppress(asyncio.CancelledError):
            await running
        known, before = await stored(shop, "orders:3"), len(requests("order/count"))
        assert 0 < known < len(course.slices)

        again = (await fill(shop, "orders:3"))["orders:3"]
        assert again.resumed == known
        assert len(requests("order/count")) - before == len(course.slices) - known
        assert await mirrored(shop) == expected

    async def test_days_that_were_not_over_are_read_again_and_only_those(self, shop: Shop) -> None:
        now = datetime.now(UTC)
        shop.market.now = lambda: now
        today = now.astimezone(shop.channel.account.zone).date()
        days = {"since": today - timedelta(days=40), "until": today}
        expected = orders(shop, [now - timedelta(days=30), now - timedelta(seconds=5)])
        course = (await fill(shop, "orders:3", **days))["orders:3"]
        assert course.is_done
        expected |= orders(shop, [now], FIRST + 10)  # placed after its slice was read
        again = (await fill(shop, "orders:3", **days))["orders:3"]
        assert (again.resumed, again.stored) == (len(course.slices) - 1, len(course.slices))
        assert await mirrored(shop) == expected

    async def test_an_outage_stops_it_and_it_goes_on_later(self, shop: Shop) -> None:
        expected = orders(shop, through(SINCE, UNTIL, 60))
        shop.market.faults.add("order/read", kind="http_503_html", times=None)
        with pytest.raises(OutageError):
            await fill(shop, "orders:3")
        assert await stored(shop, "orders:3") == 0
        shop.market.faults.clear()
        # Time passes: a probe of the run that was stopped is surely over.
        await shop.sql("UPDATE app.emag_rate_limits SET probe_at = clock_timestamp()")
        await probe_all_if_down(replace(shop.channel, tally=Tally()))  # as a backfill begins
        await fill(shop, "orders:3")
        assert await mirrored(shop) == expected

    async def test_what_is_complete_is_read_anew(self, shop: Shop) -> None:
        day = date(2026, 8, 1)
        orders(shop, through(day, day, 2))
        await fill(shop, since=day, until=day)
        later = orders(shop, through(day, day, 2), FIRST + 10)
        courses = await fill(shop, since=day, until=day)
        assert courses["orders:3"].resumed == 0
        assert later <= await mirrored(shop)

    async def test_other_days_are_another_backfill(self, shop: Shop) -> None:
        orders(shop, through(SINCE, UNTIL, 5))
        await fill(shop, "orders:3")
        course = (await fill(shop, "orders:3", until=UNTIL - timedelta(days=1)))["orders:3"]
        assert course.resumed == 0


@asynccontextmanager
async def nothing_can_be_stored(shop: Shop) -> AsyncIterator[None]:
    """The ERP's database keeps everybody who stores orders waiting, for as long as this runs."""
    async with transaction(shop.channel.engine) as connection:
        await connection.execute("LOCK TABLE app.emag_orders IN SHARE MODE")
        yield


async def until(whether: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await whether():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def is_storing(shop: Shop) -> bool:
    """Whether anybody waits for being let store."""
    return bool(
        await shop.sql(
            "SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )


async def test_what_waits_is_what_was_read() -> None:
    page = Page(
        Instant.now(),
        [{"id": 10**30, "name": "\ud800 \0 é", "price": 0.1}, {"lines": [None, True]}],
    )
    assert PackedPage.of(page).page() == page


class TestStoring:
    async def test_reading_does_not_wait_for_what_is_being_stored(self, shop: Shop) -> None:
        expected = orders(shop, through(SINCE, UNTIL, 330))
        channel, [course] = await open_parts(shop, "orders:3")
        reads = shop.market.journal.requests_to

        async def all_is_read() -> bool:
            return course.expected >= 330 and len(reads("order/read")) >= 5

        async with nothing_can_be_stored(shop):
            filling = asyncio.create_task(backfill(channel, [course], 8, Receipt(), lambda _: None))
            await until(all_is_read)
            assert course.rows == 0
        await filling
        assert await mirrored(shop) == expected

    async def test_a_slice_is_done_only_when_all_its_rows_are_stored(self, shop: Shop) -> None:
        expected = orders(shop, through(SINCE, UNTIL, 30))
        last = max(expected)
        await shop.sql(
            "CREATE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'not this one'; END $$"
        )
        await shop.sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON app.emag_orders FOR EACH ROW"
            f" WHEN (NEW.order_id = {last}) EXECUTE FUNCTION app.refuse()"
        )
        channel, [course] = await open_parts(shop, "orders:3")
        with pytest.raises(psycopg.Error, match="not this one") as failed:
            await backfill(channel, [course], 8, Receipt(), lambda _: None)
        assert "see_orders" in failed.value.__notes__[0]
        assert await stored(shop, "orders:3") == course.stored < len(course.slices)
        assert last not in await mirrored(shop)

        await shop.sql("DROP TRIGGER refuse ON app.emag_orders")
        assert (await fill(shop, "orders:3"))["orders:3"].resumed == course.stored
        assert await mirrored(shop) == expected

    async def test_what_became_of_a_page_is_told_and_what_was_logged_is_logged_here(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        lines = [{"id": 1, "product_id": "1001", "quantity": 1}]
        nowhere = {"emag_id": 52000001, "type": 3, "request_status": 2, "products": lines}
        unreadable = {**nowhere, "emag_id": 52000002, "request_status": "soon"}
        clock, receipt = await read_clock(shop.channel.engine), Receipt(read=5)
        page = PackedPage.of(Page(clock.instant, [nowhere, unreadable]))
        with caplog.at_level(logging.WARNING, "emag.drift"):
            async with storing(shop.channel) as storage:
                assert await storage.store("returns:3", page, clock, receipt) == 2
        assert (receipt.read, receipt.brought) == (7, {Kind.RMA: {Brought.PARKED: 2}})
        reasons = {each.emag_id: each.reason for each in receipt.parked}
        assert "names no order" in reasons[52000001]
        assert "request_status: a text" in reasons[52000002]
        [(logger, level, said)] = caplog.record_tuples
        assert (logger, level) == ("emag.drift", logging.WARNING)
        assert "return request_status" in said

    async def test_others_come_first(self, shop: Shop) -> None:
        async with storing(shop.channel) as storage:
            page = PackedPage.of(Page(Instant.now(), []))
            clock = await read_clock(shop.channel.engine)
            assert await storage.store("orders:3", page, clock, Receipt()) == 0
            ours, its = (
                os.getpriority(os.PRIO_PROCESS, each) for each in (os.getpid(), storage.process.pid)
            )
            assert its > ours

    async def test_a_process_that_dies_is_told_and_nothing_is_taken_for_stored(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun: list[Storage] = []

        @asynccontextmanager
        async def watched(channel: Channel) -> AsyncIterator[Storage]:
            async with storing(channel) as storage:
                begun.append(storage)
                yield storage

        monkeypatch.setattr("integrations.sync.backfill.storing", watched)
        expected = orders(shop, through(SINCE, UNTIL, 30))
        channel, [course] = await open_parts(shop, "orders:3")
        async with nothing_can_be_stored(shop):
            filling = asyncio.create_task(backfill(channel, [course], 8, Receipt(), lambda _: None))
            await until(partial(is_storing, shop))
            begun[0].process.kill()
            with pytest.raises(StoringError, match=r"signal 9.*repeat the backfill"):
                await filling
        assert await stored(shop, "orders:3") == course.rows == 0
        await fill(shop, "orders:3")
        assert await mirrored(shop) == expected

    @pytest.mark.parametrize(
        ("stop", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
    )
    async def test_nobody_stores_for_a_backfill_that_was_stopped(
        self, shop: Shop, tmp_path: Path, stop: signal.Signals, code: int
    ) -> None:
        expected = orders(shop, through(SINCE, UNTIL, 30))
        account = shop.channel.account
        settings = {
            "DATABASE_URL": shop.channel.engine.url,
            "EMAG_USERNAME": account.username,
            "EMAG_PASSWORD": account.password.get_secret_value(),
            "EMAG_BASE_URL": account.base_url,
            "EMAG_ENVIRONMENT": "sandbox",
        }
        async with nothing_can_be_stored(shop):
            command = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "flows.cli.main", "backfill"),
                *("--since", str(SINCE), "--until", str(UNTIL)),
                env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
                cwd=tmp_path,
                stdout=DEVNULL,
                stderr=PIPE,
                start_new_session=True,  # a Ctrl-C reaches all of a terminal's foreground group
            )
            await until(partial(is_storing, shop))
            os.killpg(command.pid, stop)
            _, said = await command.communicate()
            assert command.returncode == code
            assert b"Traceback" not in said

            async def is_over() -> bool:
                return not await is_storing(shop)

            await until(is_over)
        await fill(shop, "orders:3")
        assert await mirrored(shop) == expected
