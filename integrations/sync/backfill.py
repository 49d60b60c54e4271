"""Bring an account's history in: slice by slice, oldest first, with its end noted after each.

Reading never waits for the ERP: pages that are read wait packed until they are stored. What is
noted as done is stored; what was read and not stored yet is read again after a stop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from integrations.emag.routes import Bucket
from integrations.ledger.clock import Clock, read_clock
from integrations.ledger.cursors import move_cursor, place_cursor, read_cursor
from integrations.sync.ask import ReadRefusedError
from integrations.sync.channel import Channel
from integrations.sync.listing import FilterIgnoredError, IncompleteListingError
from integrations.sync.packed import PackedPage
from integrations.sync.page import Page
from integrations.sync.past import Slice, slices
from integrations.sync.receipt import Receipt
from integrations.sync.storing import Storage, storing
from integrations.sync.streams import Reading, Stream, streams

# So many slices are begun before the oldest is read: counting the next one costs no time then.
ABREAST = 4

# Pages of both buckets' listings that may wait to be stored; packed, a page takes about 40 kB.
WAITING = 1000

# Storing rests so many times as long as a page took it, while there is something to read and at
# least half of the room: the ERP's database works for both, and knows no priorities.
REST = 1.0

# Of the requests that may be under way at once, the share of the bucket with the lower limit.
SMALLER_SHARE = 3 / 8

STREAM_STOPPED = (IncompleteListingError, FilterIgnoredError, ReadRefusedError)


@dataclass
class Course:
    """How far a stream of the history is.

    Attributes:
        slices: all of it, oldest first.
        stored: how many of these are stored, from the oldest on.
        resumed: how many of these an earlier run has stored.
        expected, rows: how many rows this run has counted and stored.
        problem: why the stream was given up before its end.
        passing: the slices that had not ended when they were read, so that they will hold more.
    """

    account: str
    stream: Stream
    slices: Sequence[Slice]
    stored: int = 0
    resumed: int = 0
    expected: int = 0
    rows: int = 0
    problem: str | None = None
    finished: set[int] = field(default_factory=set)
    passing: set[int] = field(default_factory=set)

    @property
    def resource(self) -> str:
        """The name of its cursor."""
        return f"backfill:{self.stream.name}"

    @property
    def is_done(self) -> bool:
        """Whether all of it is stored."""
        return self.stored == len(self.slices)

    @property
    def lasting(self) -> int:
        """How many slices at the beginning are stored for good."""
        return min({self.stored, *self.passing})

    @property
    def reached(self) -> date | None:
        """The last day that is stored, after all before it."""
        if not self.stored:
            return None
        return (self.slices[self.stored - 1].end - timedelta(seconds=1)).date()


Watch = Callable[[Course], None]


@dataclass(frozen=True)
class _Piece:
    """A slice of a course; behind its last page it says in the queue that it has ended."""

    course: Course
    number: int
    clock: Clock


@dataclass(frozen=True)
class _Read:
    piece: _Piece
    page: PackedPage


@dataclass(frozen=True)
class _Waiting:
    """What is read and not stored yet, in the order of reading; None after the last."""

    entries: asyncio.Queue[_Read | _Piece | None] = field(default_factory=asyncio.Queue)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WAITING))

    @property
    def fills_up(self) -> bool:
        """Whether reading will have to wait for storing before long."""
        return self.entries.qsize() >= WAITING / 2


@dataclass(frozen=True)
class _Desk:
    """Where the lanes' pages are stored: while any lane still reads, one page at a time."""

    apart: Storage
    receipt: Receipt
    reading: set[asyncio.Task[None]] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def opens(self, reading: asyncio.Task[None]) -> None:
        """A lane has begun to read."""
        self.reading.add(reading)
        reading.add_done_callback(self.reading.discard)

    async def store(self, entry: _Read, waiting: _Waiting) -> None:
        """Store a page that waited, and rest a while for those that read."""
        if not self.reading:
            await self._store(entry)
            return
        async with self.turn:
            began = time.monotonic()
            await self._store(entry)
            if self.reading and not waiting.fills_up:
                await asyncio.wait(self.reading, timeout=REST * (time.monotonic() - began))

    async def _store(self, entry: _Read) -> None:
        piece = entry.piece
        name = piece.course.stream.name
        piece.course.rows += await self.apart.store(name, entry.page, piece.clock, self.receipt)


async def open_courses(channel: Channel, since: date, until: date) -> list[Course]:
    """The courses of the account's history between two days, both included.

    What an earlier run for the same days has stored for good is not read again, unless it has
    stored all.
    """
    account = channel.account
    cut = slices(since, until, account.zone)
    courses = [Course(account.name, stream, cut) for stream in streams(channel)]
    asked = _detail(since, until, cut)
    lasting = {}
    for course in courses:
        cursor = await read_cursor(channel.engine, account.platform, account.name, course.resource)
        detail = dict(cursor.detail or {}) if cursor else {}
        stored, lasts = detail.pop("stored", 0), detail.pop("lasting", 0)
        course.stored, lasting[course.resource] = (stored, lasts) if detail == asked else (0, 0)
    all_done = all(course.is_done for course in courses)
    for course in courses:
        course.stored = course.resumed = 0 if all_done else lasting[course.resource]
        if not course.stored:
            detail = {**asked, "stored": 0, "lasting": 0}
            whose = (account.platform, account.name)
            await place_cursor(channel.engine, *whose, course.resource, cut[0].start, detail)
    return courses


def _detail(since: date, until: date, cut: Sequence[Slice]) -> dict[str, Any]:
    return {"since": since.isoformat(), "until": until.isoformat(), "slices": len(cut)}


async def backfill(
    channel: Channel, courses: Sequence[Course], in_flight: int, receipt: Receipt, watch: Watch
) -> None:
    """Read what is left of the courses, and store it.

    Orders and the rest draw on budgets of their own, so that both go on at once. A course whose
    listing cannot be relied on is given up, which its `problem` says.

    Args:
        channel: one that works in the background.
        in_flight: requests under way at once.
        receipt: counts what is brought in.
        watch: is told of every course that has got on.

    Raises:
        OutageError, BudgetBusyError: eMAG cannot be asked; what was read by then is stored.
    """
    smaller = max(1, round(in_flight * SMALLER_SHARE))
    gates = {Bucket.OTHER: smaller, Bucket.ORDERS: max(1, in_flight - smaller)}
    async with storing(channel) as apart:
        desk = _Desk(apart, receipt)
        lanes = [
            _lane(
                replace(channel, gate=asyncio.Semaphore(gate)),
                desk,
                [course for course in courses if course.stream.bucket is bucket],
                gate,
                watch,
            )
            for bucket, gate in gates.items()
        ]
        for outcome in await asyncio.gather(*lanes, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome


async def _lane(
    channel: Channel, desk: _Desk, courses: Sequence[Course], gate: int, watch: Watch
) -> None:
    """Read and store courses of one bucket: reading goes on while what was read is being stored."""
    waiting = _Waiting()
    async with _running(_read_all(channel, courses, gate, waiting, watch)) as reading:
        desk.opens(reading)
        reading.add_done_callback(lambda _: waiting.entries.put_nowait(None))
        while (entry := await waiting.entries.get()) is not None:
            if isinstance(entry, _Read):
                course = entry.piece.course
                await desk.store(entry, waiting)
                waiting.room.release()
            else:
                course = entry.course
                await _note(channel, entry)
            watch(course)
        await reading


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """A task that ends with the block at the latest."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _read_all(
    channel: Channel, courses: Sequence[Course], gate: int, waiting: _Waiting, watch: Watch
) -> None:
    """Read what is left of the courses, one after the other."""
    readers, turn = asyncio.Semaphore(gate), asyncio.Semaphore(ABREAST)
    begun: list[asyncio.Task[None]] = []
    left = (
        (course, number)
        for course in courses
        for number in range(course.stored, len(course.slices))
    )
    try:
        for course, number in left:
            await turn.acquire()
            if any(task.done() and task.exception() for task in begun):
                break
            begun = [task for task in begun if not task.done()]
            piece = _Piece(course, number, await read_clock(channel.engine))
            reading = _read_one(channel, piece, readers, waiting, watch)
            begun.append(asyncio.create_task(reading))
            begun[-1].add_done_callback(lambda _: turn.release())
        for outcome in await asyncio.gather(*begun, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
    finally:
        for task in begun:
            task.cancel()


async def _read_one(
    channel: Channel,
    piece: _Piece,
    readers: asyncio.Semaphore,
    waiting: _Waiting,
    watch: Watch,
) -> None:
    course = piece.course

    async def put(page: Page) -> None:
        await waiting.room.acquire()
        waiting.entries.put_nowait(_Read(piece, await asyncio.to_thread(PackedPage.of, page)))

    def expect(rows: int) -> None:
        course.expected += rows
        watch(course)

    if course.problem is not None:
        return
    part = course.slices[piece.number]
    try:
        await course.stream.read(Reading(channel, part, readers, put, expect))
    except STREAM_STOPPED as stopped:
        course.problem = course.problem or str(stopped)
    else:
        waiting.entries.put_nowait(piece)


async def _note(channel: Channel, piece: _Piece) -> None:
    """Note that a slice is stored, once all before it are."""
    course = piece.course
    course.finished.add(piece.number)
    if course.slices[piece.number].end > piece.clock.moment:
        course.passing.add(piece.number)
    before = course.stored
    while course.stored in course.finished:
        course.stored += 1
    if course.stored == before:
        return
    whose = (channel.account.platform, channel.account.name)
    cursor = await read_cursor(channel.engine, *whose, course.resource)
    known = cursor.detail or {} if cursor else {}
    detail = {**known, "stored": course.stored, "lasting": course.lasting}
    end = course.slices[course.stored - 1].end
    await move_cursor(channel.engine, *whose, course.resource, end, detail)
