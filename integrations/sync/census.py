"""Compare eMAG's numbers with the mirror's, and read where they differ, or where it was long ago.

A listing is counted by type and status. What differs is halved down to days, and the rows of these
are read and taken in the normal way. A small listing is read at once: that takes fewer requests
than counting it, and proves every row. Two rows that are wrong in opposite ways leave a number as
it is, so that it is counted week by week. Numbers only tell where to look: what was read decides.
They tell nothing of money, so that what they agree about is read too, as far as requests allow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from integrations.emag.unnumbered import row_key
from integrations.emag.wire import Raw, to_utc, whole_number
from integrations.ledger.calls import Subject
from integrations.ledger.certificates import Numbers
from integrations.ledger.compared import longest_uncompared
from integrations.ledger.mirrored import absent, tally
from integrations.sync.ask import ReadRefusedError, ask
from integrations.sync.census_listings import Listing
from integrations.sync.census_rows import look_up, take
from integrations.sync.census_state import Census
from integrations.sync.listing import PAGE, FilterIgnoredError, IncompleteListingError
from integrations.sync.page import Page
from integrations.sync.span import Span
from integrations.sync.windows import read_window

# What eMAG takes in one question, and what is counted at once.
MONTH = 28
WEEK = 7

# Rows read before they are compared and forgotten.
MOST_AT_ONCE = 2000

# Pages that one run reads of a listing only to compare by value what agrees by count.
MOST_PAGES = 300

# A row may be placed a little outside of what was asked for: eMAG has two dates for it.
LEEWAY = timedelta(days=2)

# Why a part of a listing could not be read.
NOT_READ = (FilterIgnoredError, IncompleteListingError, ReadRefusedError)


async def compare_with_emag(census: Census, span: Span) -> None:
    """Compare the days' numbers, read where they differ, and enter what was compared.

    Raises:
        OutageError, BudgetBusyError: nothing can be asked of eMAG now.
    """
    for month in span.parts(MONTH):
        await _compare(census, month)


async def compare_by_value(census: Census, span: Span) -> None:
    """Read days that were only counted, those compared longest ago first, up to a limit.

    Raises as `compare_with_emag`.
    """
    zone = census.channel.account.zone
    days = await longest_uncompared(
        census.channel.engine, census.scope, span.begins(zone), span.ends(zone)
    )
    unclear = {day for each in (*census.differing, *census.unread) for day in each.each()}
    census.read_days.update({*span.each()} - days.keys() - unclear)  # neither side has a row
    left = MOST_PAGES
    for day, rows in days.items():
        one, cost = Span(day, day), -(-rows // PAGE)
        if day in census.read_days:
            continue
        if cost > left:
            return
        left -= cost
        try:
            await _read(census, one, None, rows)
        except NOT_READ as error:
            census.unread[one] = str(error)


async def look_again(census: Census) -> None:
    """Compare anew what differed or could not be read. Raises as `compare_with_emag`."""
    spans = sorted({*census.differing, *census.unread})
    days = {number: each.day for number, each in census.found.items()} | census.unlooked
    for known in (census.differing, census.unread, census.found, census.unlooked):
        known.clear()
    census.dated.clear()
    census.singles = 0
    for span in spans:
        await _compare(census, span)
    again = {number: day for number, day in days.items() if number not in census.found}
    census.unlooked |= await look_up(census, again)


async def _compare(census: Census, span: Span) -> None:
    census.say(f"{census.name}: comparing {span}")
    try:
        await (_compare_week if span.days <= WEEK else _compare_month)(census, span)
    except NOT_READ as error:
        census.unread[span] = str(error)


async def _compare_month(census: Census, span: Span) -> None:
    total = await _count(census, span)
    if total == 0 and not await _tally(census, span):
        _enter_nothing(census, span)
    elif total is not None and -(-total // PAGE) > len(census.listing.statuses):
        for week in span.parts(WEEK):
            await _compare(census, week)
    else:
        await _read_all(census, span, total)


async def _compare_week(census: Census, span: Span) -> None:
    total = await _count(census, span)
    mirrored = await _tally(census, span)
    if total == 0 and not mirrored:
        _enter_nothing(census, span)
        return
    pages_of_it = -(-(total or 0) // PAGE)
    is_read = total is None or not mirrored or pages_of_it <= len(census.listing.statuses)
    emag = None if is_read else await _count_statuses(census, span)
    if emag is None or _hides_some(total, emag, mirrored):
        await _read_all(census, span, total)
        return
    differing = _differing(emag, mirrored, census.listing.statuses)
    if differing:
        await _narrow(census, span, differing, mirrored)
        # Compared once more, the numbers tell whether these rows were all there is to it.
        for status in differing:
            emag[status] = await _count(census, span, status) or 0
        mirrored = await _tally(census, span)
        still = _differing(emag, mirrored, census.listing.statuses)
        if still:
            _note_still_differing(census, span, emag, mirrored)
            await _date(census, span, still)
    _enter(census, span, emag, mirrored)


def _hides_some(total: int | None, emag: Counter[int], mirrored: Counter[tuple[date, int]]) -> bool:
    """Whether eMAG counts more rows in statuses that nobody knows than the mirror holds."""
    mirror = _by_status(mirrored)
    unknown = mirror.total() - sum(mirror[status] for status in emag)
    return total is not None and total - emag.total() > unknown


async def _date(census: Census, span: Span, counted: Mapping[int, int]) -> None:
    """Note whether eMAG shows as many rows as it counts: then only their days are others."""
    census.ends.is_sure = True
    shown = Counter(
        status for status, _ in (await _read_listed(census, span, sorted(counted))).values()
    )
    if all(shown[status] == number for status, number in counted.items()):
        census.dated.add(span)


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


async def _read_all(census: Census, span: Span, total: int | None) -> None:
    """Read everything that was placed in these days: then eMAG's numbers are those of its rows.

    `total` is how many rows eMAG counts, if it does.
    """
    shown = await _read(census, span, None, 0)
    if total is not None and total > len(shown) and not census.ends.is_sure:
        # Pages may be shorter than was believed: from now on each listing's end is proved.
        census.ends.is_sure = True
        shown = await _read(census, span, None, 0)
    emag = Counter(status for status, day in shown.values() if span.first <= day <= span.last)
    mirrored = await _tally(census, span)
    if total is not None and total > len(shown):
        hidden = f"of {span} eMAG counts {total} rows and shows {len(shown)}"
        census.differing[span] = hidden
    elif _differing(emag, mirrored, sorted({*emag, *_by_status(mirrored)})):
        _note_still_differing(census, span, emag, mirrored)
        census.dated.add(span)
    _enter(census, span, emag, mirrored)


async def _read(
    census: Census, span: Span, statuses: Sequence[int] | None, rows: int
) -> dict[int, tuple[int, date]]:
    """Read days in some statuses (None: all), take the rows, and compare each with the mirror.

    Returns the rows that eMAG shows, also those that were placed on other days.
    """
    if rows > MOST_AT_ONCE and span.days > 1:
        return await _read_halves(census, span, statuses, rows)
    census.say(f"{census.name}: reading {span}")
    try:
        shown = await _read_listed(census, span, statuses)
    except IncompleteListingError:
        if span.days == 1:
            raise
        # Rows move between pages: fewer days have fewer pages.
        return await _read_halves(census, span, statuses, rows)
    zone = census.channel.account.zone
    missing = await absent(
        census.channel.engine,
        census.scope,
        span.begins(zone),
        span.ends(zone),
        statuses,
        shown,
    )
    census.unlooked |= await look_up(census, missing)
    if statuses is None:
        census.read_days.update(span.each())
    return shown


async def _read_halves(
    census: Census, span: Span, statuses: Sequence[int] | None, rows: int
) -> dict[int, tuple[int, date]]:
    left, right = span.halves()
    shown = await _read(census, left, statuses, rows // 2)
    return shown | await _read(census, right, statuses, rows // 2)


async def _read_listed(
    census: Census, span: Span, statuses: Sequence[int] | None
) -> dict[int, tuple[int, date]]:
    """The rows of the days' pages, taken; of all statuses if eMAG ignores the filter."""
    try:
        return await _read_pages(census, span, statuses)
    except FilterIgnoredError:
        if statuses is None:
            raise
        return await _read_pages(census, span, None)


async def _read_pages(
    census: Census, span: Span, statuses: Sequence[int] | None
) -> dict[int, tuple[int, date]]:
    shown: dict[int, tuple[int, date]] = {}
    async for page in _pages(census, span, statuses):
        shown |= await take(census, page)
    return shown


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
            lambda raw: row_key(raw, listing.number),
            fits,
            census.ends,
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


def _enter_nothing(census: Census, span: Span) -> None:
    """Neither eMAG nor the mirror has a row of these days: that is all there is to compare."""
    census.read_days.update(span.each())
    _enter(census, span, Counter(), Counter())


def _enter(
    census: Census,
    span: Span,
    emag: Counter[int],
    mirrored: Counter[tuple[date, int]],
) -> None:
    """Enter the days' numbers into the certificate, unless they are in it as part of more days."""
    wider = (each for each in census.entered if each != span)
    if any(each.first <= span.first and span.last <= each.last for each in wider):
        return
    census.entered.add(span)
    mirror = _by_status(mirrored)
    for status in {*census.listing.statuses, *emag, *mirror}:
        emag[status] += 0
        mirror[status] += 0
    parts = census.certificate.numbers.setdefault(census.name, {})
    parts[str(span)] = Numbers(span.days, emag, mirror)
