"""Compare eMAG's numbers with the mirror's, and read only where they differ.

A listing is counted by type and status. What differs is halved down to days, and the rows of these
are read and taken in the normal way. A small listing is read at once: that takes fewer requests
than counting it, and proves every row. Two rows that are wrong in opposite ways leave a number as
it is, so that it is counted week by week. Numbers only tell where to look: what was read decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from integrations.emag.accounts import order_types
from integrations.emag.wire import Raw, to_utc, whole_number
from integrations.ledger.arrivals import Brought
from integrations.ledger.calls import Subject
from integrations.ledger.certificates import Certificate, Numbers
from integrations.ledger.clock import Clock
from integrations.ledger.differences import About, Difference, Why
from integrations.ledger.mirrored import (
    UNREADABLE,
    Scope,
    Unlike,
    absent,
    tally,
    unlike,
)
from integrations.sync.ask import ReadRefusedError, ask
from integrations.sync.census_listings import Listing
from integrations.sync.channel import Channel
from integrations.sync.listing import PAGE, FilterIgnoredError, Page, pages
from integrations.sync.receipt import Receipt
from integrations.sync.span import Span
from integrations.sync.windows import IncompleteWindowError, read_window

# What eMAG takes in one question, and what is counted at once.
MONTH = 28
WEEK = 7

# Rows read before they are compared and forgotten.
MOST_AT_ONCE = 2000

# Rows that are asked for singly in one run.
MOST_SINGLES = 200

# From here on a status is unreadable.
HIGHEST_STATUS = 100

# A row may be placed a little outside of what was asked for: eMAG has two dates for it.
LEEWAY = timedelta(days=2)

# Why a part of a listing could not be read.
NOT_READ = (FilterIgnoredError, IncompleteWindowError, ReadRefusedError)


@dataclass
class Census:
    """One account's listing of one type: where it is compared, and what was found.

    Attributes:
        certificate: what was compared is entered here.
        found: differences that reading did not put right.
        differing: days whose numbers still differed after their rows were read, and in what.
        unread: days that could not be read whole, and why.
        receipt: what reading brought into the ERP.
        say: tells a person how far it is.
    """

    channel: Channel
    listing: Listing
    type: int
    clock: Clock
    certificate: Certificate
    say: Callable[[str], None]
    found: dict[int, Difference] = field(default_factory=dict)
    differing: dict[Span, str] = field(default_factory=dict)
    unread: dict[Span, str] = field(default_factory=dict)
    receipt: Receipt = field(default_factory=Receipt)
    singles: int = 0

    @property
    def scope(self) -> Scope:
        account = self.channel.account
        return Scope(self.listing.about, account.platform, account.name, self.type, account.zone)

    @property
    def name(self) -> str:
        return f"{self.listing.what} of type {self.type}"


async def compare_with_emag(census: Census, span: Span) -> None:
    """Compare the days' numbers, read where they differ, and enter what was compared.

    Raises:
        OutageError, BudgetBusyError: nothing can be asked of eMAG now.
    """
    for month in span.parts(MONTH):
        await _compare(census, month)


async def look_again(census: Census) -> None:
    """Compare anew what differed or could not be read. Raises as `compare_with_emag`."""
    spans = sorted({*census.differing, *census.unread})
    days = {number: each.day for number, each in census.found.items()}
    for known in (census.differing, census.unread, census.found):
        known.clear()
    census.singles = 0
    for span in spans:
        await _compare(census, span)
    await look_up(census, days)


async def look_up(census: Census, days: Mapping[int, date]) -> None:
    """Read rows by their numbers, take them and compare each; beyond a limit no more of them.

    `days` holds when each was placed. Raises as `compare_with_emag`.
    """
    for number, day in days.items():
        if census.singles >= MOST_SINGLES:
            return
        census.singles += 1
        await _look_up(census, number, day)


async def _compare(census: Census, span: Span) -> None:
    census.say(f"{census.name}: comparing {span}")
    try:
        await (_compare_week if span.days <= WEEK else _compare_month)(census, span)
    except NOT_READ as error:
        census.unread[span] = str(error)


async def _compare_month(census: Census, span: Span) -> None:
    total = await _count(census, span)
    if total == 0 and not await _tally(census, span):
        _enter(census, span, Counter(), Counter())
    elif total is not None and -(-total // PAGE) > len(census.listing.statuses):
        for week in span.parts(WEEK):
            await _compare(census, week)
    else:
        await _read_all(census, span)


async def _compare_week(census: Census, span: Span) -> None:
    total = await _count(census, span)
    mirrored = await _tally(census, span)
    if total == 0 and not mirrored:
        _enter(census, span, Counter(), Counter())
        return
    pages_of_it = -(-(total or 0) // PAGE)
    is_read = total is None or not mirrored or pages_of_it <= len(census.listing.statuses)
    emag = None if is_read else await _count_statuses(census, span)
    if emag is None:
        await _read_all(census, span)
        return
    differing = _differing(emag, mirrored, census.listing.statuses)
    if differing:
        await _narrow(census, span, differing, mirrored)
        # Compared once more, the numbers tell whether these rows were all there is to it.
        for status in differing:
            emag[status] = await _count(census, span, status) or 0
        mirrored = await _tally(census, span)
        _note_still_differing(census, span, emag, mirrored)
    _enter(census, span, emag, mirrored)


async def _narrow(
    census: Census,
    span: Span,
    emag: Mapping[int, int],
    mirrored: Counter[tuple[date, int]],
) -> None:
    """Read the days that hold the statuses' differences; `emag` holds eMAG's number of each."""
    rows = sum(emag.values())
    halving = len(emag) * (span.days - 1).bit_length()
    if span.days == 1 or -(-rows // PAGE) <= halving or not _within(span, mirrored).total():
        await _read(census, span, sorted(emag), rows)
        return
    left, right = span.halves()
    counted = {status: await _count(census, left, status) or 0 for status in emag}
    rest = {status: max(0, number - counted[status]) for status, number in emag.items()}
    for half, numbers in ((left, counted), (right, rest)):
        differing = _differing(numbers, _within(half, mirrored), emag)
        if differing:
            await _narrow(census, half, differing, mirrored)


async def _read_all(census: Census, span: Span) -> None:
    """Read everything that was placed in these days: then eMAG's numbers are those of its rows."""
    emag = await _read(census, span, None, 0)
    mirrored = await _tally(census, span)
    _note_still_differing(census, span, emag, mirrored)
    _enter(census, span, emag, mirrored)


async def _read(
    census: Census, span: Span, statuses: Sequence[int] | None, rows: int
) -> Counter[int]:
    """Read days in some statuses (None: all), take the rows, and compare each with the mirror.

    Returns the numbers of the rows by status.
    """
    if rows > MOST_AT_ONCE and span.days > 1:
        return await _read_halves(census, span, statuses, rows)
    census.say(f"{census.name}: reading {span}")
    try:
        seen = await _read_pages(census, span, statuses)
    except FilterIgnoredError:
        if statuses is None:
            raise
        seen = await _read_pages(census, span, None)
    except IncompleteWindowError:
        if span.days == 1:
            raise
        # Rows move between pages: fewer days have fewer pages.
        return await _read_halves(census, span, statuses, rows)
    census.certificate.days_read += span.days
    zone = census.channel.account.zone
    missing = await absent(
        census.channel.engine,
        census.scope,
        span.begins(zone),
        span.ends(zone),
        statuses,
        seen,
        MOST_SINGLES,
    )
    await look_up(census, missing)
    return Counter(status for status, day in seen.values() if span.first <= day <= span.last)


async def _read_halves(
    census: Census, span: Span, statuses: Sequence[int] | None, rows: int
) -> Counter[int]:
    left, right = span.halves()
    numbers = await _read(census, left, statuses, rows // 2)
    return numbers + await _read(census, right, statuses, rows // 2)


async def _read_pages(
    census: Census, span: Span, statuses: Sequence[int] | None
) -> dict[int, tuple[int, date]]:
    seen: dict[int, tuple[int, date]] = {}
    async for page in _pages(census, span, statuses):
        seen |= await _take(census, page)
    return seen


async def _pages(census: Census, span: Span, statuses: Sequence[int] | None) -> AsyncIterator[Page]:
    listing, zone = census.listing, census.channel.account.zone
    after, before = span.begins(zone), span.ends(zone)
    for asked in _asked(listing, statuses):
        filters = {"type": census.type, **({listing.status: asked} if asked is not None else {})}
        wanted = set(asked) if isinstance(asked, list) else {asked}

        def fits(raw: Raw, wanted: set[Any] = wanted) -> bool:
            in_status = None in wanted or whole_number(raw.get(listing.status)) in wanted
            return in_status and _is_placed(census, raw, after, before)

        async for page in read_window(
            census.channel,
            listing.read,
            listing.count,
            filters,
            after,
            before,
            listing.names,
            lambda raw: whole_number(raw.get(listing.number)),
            fits,
        ):
            yield page


def _asked(listing: Listing, statuses: Sequence[int] | None) -> Iterator[list[int] | int | None]:
    """The values of the status filter that together ask for the statuses; None asks for all."""
    if statuses is None:
        yield None
    elif listing.status_lists:
        yield list(statuses)
    else:
        yield from statuses


def _is_placed(census: Census, raw: Raw, after: datetime, before: datetime) -> bool:
    zone = census.channel.account.zone
    dates = [to_utc(raw.get(name), zone) for name in census.listing.dates]
    known = [each for each in dates if each]
    return not known or any(after - LEEWAY <= each < before + LEEWAY for each in known)


async def _take(census: Census, page: Page) -> dict[int, tuple[int, date]]:
    """Take a page in the normal way and compare its rows before and after.

    Returns the status and the day of each row by its number.
    """
    engine, scope = census.channel.engine, census.scope
    rows = _rows(census, page.rows)
    statuses = {number: status for number, (status, _) in rows.items()}
    before = await unlike(engine, scope, statuses)
    await census.listing.take(census.channel, page, census.clock, census.receipt)
    after = {each.number: each for each in await unlike(engine, scope, statuses)}
    news = {each.number for each in before}
    await _compare_whole(census, page, rows, rows.keys() - news)
    for each in before:
        if each.number not in after:
            census.certificate.repaired.add(_difference(census, each, rows[each.number][1]))
            census.found.pop(each.number, None)
    for number, each in after.items():
        census.found[number] = _difference(census, each, rows[number][1])
    return rows


async def _compare_whole(
    census: Census, page: Page, rows: Mapping[int, tuple[int, date]], known: Collection[int]
) -> None:
    """Compare what the mirror knew already with the ERP, money and all, by bringing it in anew.

    Of an order only what the ERP lacks is written; a return is taken where its refund differs.
    """
    listing, channel = census.listing, census.channel
    by_number = {whole_number(raw.get(listing.number)): raw for raw in page.rows}
    raws = {number: by_number[number] for number in known}
    numbers = await listing.unlike_erp(channel, raws)
    census.certificate.rows[f"{listing.what} with their money"] += len(known)
    if not numbers:
        return
    await listing.owe(channel.engine, channel.account.platform, numbers)
    receipt = Receipt()
    again = Page(page.began, [raws[number] for number in numbers])
    await listing.take(channel, again, census.clock, receipt)
    for kind, brought in receipt.brought.items():
        written = brought[Brought.CREATED] + brought[Brought.UPDATED]
        if written:
            day = min(rows[number][1] for number in numbers)
            text = f"{written} rows of the ERP ({kind.value}) did not hold what eMAG says"
            census.certificate.repaired.add(Difference(About.LISTING, census.type, day, text))


def _rows(census: Census, raws: Sequence[Raw]) -> dict[int, tuple[int, date]]:
    """The status and the local day of each row; an unreadable status is -1, as in the mirror."""
    listing, zone = census.listing, census.channel.account.zone
    rows: dict[int, tuple[int, date]] = {}
    for raw in raws:
        number = whole_number(raw.get(listing.number))
        status = whole_number(raw.get(listing.status))
        placed = to_utc(raw.get(listing.dates[0]), zone) or census.clock.now()
        if number is not None:
            if status is None or not 0 <= status < HIGHEST_STATUS:
                status = UNREADABLE
            rows[number] = (status, placed.astimezone(zone).date())
    return rows


def _difference(census: Census, each: Unlike, day: date) -> Difference:
    shown = census.listing.shown
    mirror = "has none" if each.mirror is None else f"has {shown(each.mirror)}"
    return Difference(
        census.listing.about,
        each.number,
        each.day or day,
        f"eMAG says {shown(each.emag)}, the mirror {mirror}",
        Why.PARKED if each.problem else None,
        each.problem or "",
    )


async def _look_up(census: Census, number: int, day: date) -> None:
    listing = census.listing
    types = order_types(census.channel.account, census.channel.accounts)
    for kind in sorted(types, key=lambda each: each != census.type):
        found = False
        async for page in pages(
            census.channel,
            listing.read,
            {listing.number: number, "type": kind},
            key=lambda raw: whole_number(raw.get(listing.number)),
            fits=lambda raw: whole_number(raw.get(listing.number)) == number,
        ):
            if page.rows:
                found = True
                await _take(census, page)
        if found:
            return
    gone = "eMAG shows it no longer, the mirror has it"
    census.found[number] = Difference(listing.about, number, day, gone)


async def _count_statuses(census: Census, span: Span) -> Counter[int] | None:
    """eMAG's numbers by status; None where it gives none, or ignores what it is asked."""
    numbers: Counter[int] = Counter()
    for status in census.listing.statuses:
        number = await _count(census, span, status)
        if number is None:
            return None
        numbers[status] = number
    same = set(numbers.values())
    return None if len(same) == 1 and same != {0} else numbers


async def _count(census: Census, span: Span, status: int | None = None) -> int | None:
    """How many rows eMAG counts that were placed in these days; None where it gives no number."""
    listing = census.listing
    filters: dict[str, Any] = {
        "type": census.type,
        listing.names[0]: f"{span.first.isoformat()} 00:00:00",
        listing.names[1]: f"{span.last.isoformat()} 23:59:59",
    }
    if status is not None:
        filters[listing.status] = status
    try:
        [answer, *_] = await ask(census.channel, listing.count, filters, Subject()) or [{}]
    except ReadRefusedError:
        return None
    return whole_number(answer.get("noOfItems"))


async def _tally(census: Census, span: Span) -> Counter[tuple[date, int]]:
    zone = census.channel.account.zone
    return await tally(census.channel.engine, census.scope, span.begins(zone), span.ends(zone))


def _within(span: Span, mirrored: Counter[tuple[date, int]]) -> Counter[tuple[date, int]]:
    return Counter(
        {cell: rows for cell, rows in mirrored.items() if span.first <= cell[0] <= span.last}
    )


def _by_status(mirrored: Counter[tuple[date, int]]) -> Counter[int]:
    numbers: Counter[int] = Counter()
    for (_, status), rows in mirrored.items():
        numbers[status] += rows
    return numbers


def _differing(
    emag: Mapping[int, int],
    mirrored: Counter[tuple[date, int]],
    statuses: Iterable[int],
) -> dict[int, int]:
    """eMAG's numbers of those of the statuses in which the two differ."""
    mirror = _by_status(mirrored)
    return {
        status: emag.get(status, 0) for status in statuses if emag.get(status, 0) != mirror[status]
    }


def _note_still_differing(
    census: Census,
    span: Span,
    emag: Mapping[int, int],
    mirrored: Counter[tuple[date, int]],
) -> None:
    mirror = _by_status(mirrored)
    differing = _differing(emag, mirrored, sorted({*emag, *mirror}))
    if differing:
        numbers = ", ".join(
            f"{census.listing.shown(status)} {number} and {mirror[status]}"
            for status, number in differing.items()
        )
        census.differing[span] = f"of {span} eMAG counts and the mirror holds: {numbers}"


def _enter(
    census: Census,
    span: Span,
    emag: Counter[int],
    mirrored: Counter[tuple[date, int]],
) -> None:
    """Enter the days' numbers into the certificate."""
    mirror = _by_status(mirrored)
    for status in {*census.listing.statuses, *emag, *mirror}:
        emag[status] += 0
        mirror[status] += 0
    parts = census.certificate.numbers.setdefault(census.name, {})
    parts[str(span)] = Numbers(span.days, emag, mirror)
