"""The past of a shop, read in slices as background work, and going on where it stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Event

import pytest

from integrations.emag.routes import Bucket
from integrations.ledger.clock import Clock
from integrations.ledger.cursors import read_cursor
from integrations.sandbox.clock import local_text
from integrations.sync.backfill import Course, backfill, open_courses
from integrations.sync.channel import Channel, Tally
from integrations.sync.listing import Page
from integrations.sync.outage import OutageError
from integrations.sync.past import slices
from integrations.sync.receipt import Receipt
from integrations.sync.streams import Reading, Stream, Take
from tests.end_to_end.conftest import Shop

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
SINCE, UNTIL = date(2026, 8, 1), date(2026, 9, 30)
FIRST = 480000101


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
    cursor = await read_cursor(shop.channel.engine, "main", f"backfill:{part}")
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
        await fill(shop, "orders:3", since=now.date() - timedelta(days=5), until=now.date())
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

    async def test_an_outage_stops_it_and_it_goes_on_later(self, shop: Shop) -> None:
        expected = orders(shop, through(SINCE, UNTIL, 60))
        shop.market.faults.add("order/read", kind="http_503_html", times=None)
        with pytest.raises(OutageError):
            await fill(shop, "orders:3")
        assert await stored(shop, "orders:3") == 0
        shop.market.faults.clear()
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


class TestStoring:
    def course(self, shop: Shop, pages: int, take: Take, was_read: Event) -> Course:
        """A course of one slice and so many pages, each of one row."""

        async def read(reading: Reading) -> None:
            for number in range(pages):
                await reading.put(Page(0.0, [{"id": number}]))
            was_read.set()

        cut = slices(date(2026, 8, 1), date(2026, 8, 2), shop.channel.account.zone)
        return Course("main", Stream("orders:3", "orders", Bucket.ORDERS, read, take), cut)

    async def test_reading_does_not_wait_for_what_is_being_stored(self, shop: Shop) -> None:
        taken: list[object] = []
        was_read = Event()

        async def take(_: Channel, page: Page, __: Clock, ___: Receipt) -> None:
            assert await asyncio.to_thread(was_read.wait, 30)
            taken.extend(page.rows)

        course = self.course(shop, 100, take, was_read)
        await backfill(shop.channel, [course], 2, Receipt(), lambda _: None)
        assert taken == [{"id": each} for each in range(100)]

    async def test_a_slice_is_done_only_when_all_its_rows_are_stored(self, shop: Shop) -> None:
        async def take(_: Channel, page: Page, __: Clock, ___: Receipt) -> None:
            if page.rows == [{"id": 1}]:
                raise ConnectionError("the database is gone")

        course = self.course(shop, 2, take, Event())
        with pytest.raises(ConnectionError):
            await backfill(shop.channel, [course], 2, Receipt(), lambda _: None)
        assert (course.stored, course.rows) == (0, 1)
        assert await read_cursor(shop.channel.engine, "main", "backfill:orders:3") is None
