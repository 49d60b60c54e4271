"""Take rows of a census in the normal way, and compare each with the mirror and with the ERP.

By value: what eMAG says of a row's status and of its money is beside what the ERP holds of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from integrations.emag.accounts import TYPES, WHOSE
from integrations.emag.unnumbered import number_of, read_unnumbered, row_key
from integrations.emag.wire import Raw, to_utc, whole_number
from integrations.ledger.compared import note_compared
from integrations.ledger.differences import Difference, Why
from integrations.ledger.mirrored import UNREADABLE, Unlike, owed_of, unlike
from integrations.sync.ask import ReadRefusedError
from integrations.sync.census_state import Census
from integrations.sync.channel import Channel
from integrations.sync.listing import FilterIgnoredError, pages
from integrations.sync.page import Page
from integrations.sync.receipt import Receipt

# Rows that differ and are asked for singly in one run.
MOST_SINGLES = 200

# Rows that one run names because a document of ours is gone.
MOST_UNDOCUMENTED = 50

# From here on a status is unreadable.
HIGHEST_STATUS = 100

GONE = "eMAG shows it no longer, the mirror has it"
NEVER = "eMAG shows none, the ERP has one by this number"

Rows = Mapping[int, tuple[int, date]]
"""The status and the local day of each row, by its number."""


async def take(census: Census, page: Page) -> Rows:
    """Take a page in the normal way and compare its rows before and after."""
    engine, scope = census.channel.engine, census.scope
    _note_unnumbered(census, page.rows)
    rows = _rows(census, page.rows)
    statuses = {number: status for number, (status, _) in rows.items()}
    before = await unlike(engine, scope, statuses)
    await census.listing.take(census.channel, page, census.clock, census.receipt)
    after = {each.number: each for each in await unlike(engine, scope, statuses)}
    news = {each.number for each in before}
    for number in rows:
        _settle(census, number)
    await _compare_values(census, page, rows, rows.keys() - news)
    for each in before:
        if each.number not in after:
            census.certificate.repaired.add(_difference(census, each, rows[each.number][1]))
    for number, each in after.items():
        census.found[number] = _difference(census, each, rows[number][1])
    return rows


async def look_up(census: Census, days: Mapping[int, date]) -> dict[int, date]:
    """Read rows by their numbers, take them and compare each; beyond a limit no more of them.

    `days` holds when each was placed. Those that were too many are returned.

    Raises:
        OutageError, BudgetBusyError: nothing can be asked of eMAG now.
    """
    left = dict(days)
    for number, day in days.items():
        if census.singles >= MOST_SINGLES:
            break
        census.singles += 1
        del left[number]
        await look_up_one(census, number, day)
    return left


async def look_up_one(census: Census, number: int, day: date) -> None:
    """Read one row by its number. Raises the same."""
    census.looked[number] = day
    census.unlooked.pop(number, None)
    try:
        if await _take_single(census, number):
            return
    except (ReadRefusedError, FilterIgnoredError) as error:
        problem = f"it could not be read by its number: {error}"
    else:
        problem = missing_text(census, number)
    listing, channel = census.listing, census.channel
    await note_compared(channel.engine, listing.about, channel.account.platform, [number])
    census.found[number] = Difference(listing.about, number, day, problem)


def missing_text(census: Census, number: int) -> str:
    """What differs of a row that eMAG does not show."""
    return NEVER if number in census.unmirrored else GONE


async def _take_single(census: Census, number: int) -> bool:
    """Take a row, of whichever type it is by now, for the account that sees to it."""
    listing = census.listing
    for kind in dict.fromkeys((census.type, *TYPES)):
        found = False
        async for page in pages(
            census.channel,
            listing.read,
            {listing.number: number, "type": kind},
            key=lambda raw: row_key(raw, listing.number),
            fits=lambda raw: whole_number(raw.get(listing.number)) == number,
        ):
            if page.rows:
                found = True
                await _take_for_its_owner(census, page, number)
        if found:
            return True
    return False


async def _take_for_its_owner(census: Census, page: Page, number: int) -> None:
    kind = whole_number(page.rows[0].get("type"))
    owner = census.channel.seeing_to(kind)
    if owner is census.channel or kind is None:
        await take(census, page)
    else:
        await _give_away(census, owner, kind, page, number)


async def _give_away(census: Census, owner: Channel, kind: int, page: Page, number: int) -> None:
    """Hand a row to another account of this login; that one compares it."""
    await census.listing.take(owner, page, census.clock, census.receipt)
    _settle(census, number)
    text = f"it is {WHOSE[kind]}: account {owner.account.name} sees to it from now on"
    day = _rows(census, page.rows)[number][1]
    census.certificate.repaired.add(Difference(census.listing.about, number, day, text))


def _settle(census: Census, number: int) -> None:
    """Forget what was found of a row: it was read just now."""
    census.found.pop(number, None)
    census.money.pop(number, None)
    census.undocumented.discard(number)
    census.unlooked.pop(number, None)


async def _compare_values(census: Census, page: Page, rows: Rows, known: Collection[int]) -> None:
    """Compare rows with the ERP's, money and all; what the mirror knew is brought in anew.

    Of an order only what the ERP lacks is written; a return is taken where its refund differs.
    """
    listing, channel = census.listing, census.channel
    about, platform = listing.about, channel.account.platform
    by_number = {whole_number(raw.get(listing.number)): raw for raw in page.rows}
    raws = {number: by_number[number] for number in rows}
    differing = await listing.unlike_erp(channel, {number: raws[number] for number in known})
    anew = {number: raws[number] for number in differing}
    parked = await _bring_in_anew(census, page, rows, anew) if anew else {}
    await _note_owed(census, rows, parked)
    if anew and listing.tells_apart:
        await _note_unlike(census, rows, anew)
    for number, text in (await listing.beyond(channel, raws)).items():
        if number not in census.money:
            census.money[number] = _of_money(census, number, rows, text, Why.ELSEWHERE)
    for number, text in (await listing.vanished(channel, raws)).items():
        if len(census.undocumented) < MOST_UNDOCUMENTED:
            census.undocumented.add(number)
            census.found[number] = Difference(about, number, rows[number][1], text)
    census.certificate.by_value.setdefault(listing.what, set()).update(rows)
    await note_compared(channel.engine, about, platform, rows.keys())


async def _bring_in_anew(
    census: Census, page: Page, rows: Rows, raws: Mapping[int, Raw]
) -> Mapping[int, str]:
    """Bring these rows in and enter what the ERP lacked; what could not be brought in, and why."""
    listing, channel = census.listing, census.channel
    engine, platform = channel.engine, channel.account.platform
    before = await listing.held(channel, raws.keys())
    await listing.owe(engine, platform, raws.keys())
    receipt = Receipt()
    again = Page(page.began, list(raws.values()))
    await listing.take(channel, again, census.clock, receipt)
    after = await listing.held(channel, raws.keys())
    for number in raws:
        text = _became(before.get(number, {}), after.get(number, {}))
        if text:
            census.certificate.repaired.add(_of_money(census, number, rows, text, None))
    return {each.emag_id: each.reason for each in receipt.parked if each.emag_id is not None}


async def _note_owed(census: Census, rows: Rows, parked: Mapping[int, str]) -> None:
    """Enter what could not be brought in just now, and what the ERP is owed from before."""
    channel, about = census.channel, census.listing.about
    owed = await owed_of(channel.engine, about, channel.account.platform, rows)
    for number in {*parked, *owed} & rows.keys():
        problem = parked.get(number) or owed.get(number)
        if problem:
            text = "its money is not in the ERP"
            census.money[number] = _of_money(census, number, rows, text, Why.PARKED, problem)
        else:
            text = "its money may not be in the ERP"
            census.money[number] = _of_money(census, number, rows, text, Why.OWED)


async def _note_unlike(census: Census, rows: Rows, raws: Mapping[int, Raw]) -> None:
    """Note what differs although it was brought in anew, and nothing explains."""
    listing, channel = census.listing, census.channel
    unlike = [
        number for number in await listing.unlike_erp(channel, raws) if number not in census.money
    ]
    held = await listing.held(channel, unlike)
    for number in unlike:
        shown = "; ".join(f"{name} {what}" for name, what in held.get(number, {}).items())
        text = f"the ERP holds {shown or 'nothing'}, eMAG another refund"
        census.found[number] = _of_money(census, number, rows, text, None)


def _became(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What the ERP's rows held and hold now, where the two differ."""
    return "; ".join(
        f"{name} was {before.get(name, 'not there')}, eMAG says {after[name]}"
        for name in after
        if before.get(name) != after[name]
    )


def _of_money(
    census: Census, number: int, rows: Rows, text: str, why: Why | None, detail: str = ""
) -> Difference:
    return Difference(
        census.listing.about,
        number,
        rows[number][1],
        text,
        why,
        detail,
        in_erp=True,
        money=True,
    )


def _rows(census: Census, raws: Sequence[Raw]) -> Rows:
    """An unreadable status is -1, as in the mirror."""
    listing, zone = census.listing, census.channel.account.zone
    rows: dict[int, tuple[int, date]] = {}
    for raw in raws:
        number = number_of(raw, listing.number)
        status = whole_number(raw.get(listing.status))
        placed = to_utc(raw.get(listing.dates[0]), zone) or census.clock.now()
        if number is not None:
            if status is None or not 0 <= status < HIGHEST_STATUS:
                status = UNREADABLE
            rows[number] = (status, placed.astimezone(zone).date())
    return rows


def _note_unnumbered(census: Census, raws: Sequence[Raw]) -> None:
    listing, zone = census.listing, census.channel.account.zone
    for raw in raws:
        if number_of(raw, listing.number) is None:
            row = read_unnumbered(raw, listing.about.value, listing.number, zone)
            placed = (row.placed_at or census.clock.now()).astimezone(zone).date()
            census.unnumbered.setdefault(placed, set()).add(row.shown)


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
