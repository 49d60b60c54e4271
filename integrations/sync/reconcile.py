"""Reconcile one account: eMAG with its mirror, the mirror with the ERP, and a certificate of both.

What differs is put right by the normal way. What differs still is looked at again after a while;
only then it is believed. Everything that was read is stored, so that a reconciliation that was cut
short begins with less to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from integrations.emag.accounts import order_types
from integrations.ledger.certificates import Certificate, store
from integrations.ledger.clock import Clock, read_clock
from integrations.ledger.compared import money_open, unmirrored
from integrations.ledger.comparison import Shop, compare_these, compare_window
from integrations.ledger.differences import (
    About,
    Difference,
    Why,
    forget_unseen,
    see,
)
from integrations.sync.census import compare_by_value, compare_with_emag, look_again
from integrations.sync.census_listings import LISTINGS
from integrations.sync.census_rows import look_up, look_up_one, missing_text
from integrations.sync.census_state import Census
from integrations.sync.channel import Channel
from integrations.sync.span import DAY, Span

# Days that are reconciled unless somebody asks for others.
USUAL_DAYS = 28

# Differences that one run keeps in mind to look at them again; the others are counted.
MOST_KEPT = 1000

# Rows with money open in the ERP, and rows that only our books name, that one run reads singly.
MOST_MONEY = 200
MOST_UNMIRRORED = 100

_NOT_LOOKED_UP = "its number was not looked up yet: the next run does"

# What a repair is tried for.
_REPAIRED = frozenset({None, Why.OWED})


@dataclass
class Reconciliation:
    """What is known so far; `made` begins one.

    Attributes:
        apart: seconds after which a second look at a difference counts.
        censuses: eMAG's listings that are compared.
        open: what the ERP holds otherwise and nothing explains, by subject.
        differing: orders and returns whose state the ERP holds otherwise, explained or not.
        say: tells a person how far it is.
    """

    channel: Channel
    span: Span
    apart: float
    clock: Clock
    certificate: Certificate
    censuses: Sequence[Census]
    say: Callable[[str], None]
    open: dict[str, Difference] = field(default_factory=dict)
    differing: set[tuple[About, int]] = field(default_factory=set)
    began: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock.moment

    @property
    def is_sure(self) -> bool:
        """Whether nothing is left that a second look could decide."""
        return not self.open and all(census.is_sure for census in self.censuses)

    @property
    def pause(self) -> float:
        """Seconds to wait until a second look counts."""
        return self.apart + 0.01

    def census(self, about: About) -> Census:
        """The listing by which rows are looked up."""
        return next(each for each in self.censuses if each.listing.about is about)


async def begin(
    channel: Channel,
    since: date | None,
    until: date | None,
    apart: float,
    say: Callable[[str], None],
) -> Reconciliation:
    """A reconciliation of local days, both included: by default the last four weeks to today."""
    clock = await read_clock(channel.engine)
    account = channel.account
    last = until or clock.now().astimezone(account.zone).date()
    span = Span(since or last - (USUAL_DAYS - 1) * DAY, last)
    certificate = Certificate(account.platform, account.name, span.first, span.last)
    censuses = [
        Census(channel, listing, kind, clock, certificate, say)
        for listing in LISTINGS.values()
        for kind in order_types(account, channel.accounts)
    ]
    return Reconciliation(channel, span, apart, clock, certificate, censuses, say)


async def reconcile_with_emag(work: Reconciliation) -> None:
    """Compare eMAG's numbers with the mirror's and read what differs, or was not read for long.

    Raises:
        OutageError, BudgetBusyError: nothing can be asked of eMAG now.
    """
    for census in work.censuses:
        census.found.clear()
        census.singles = 0
        await compare_with_emag(census, work.span)
    for census in work.censuses:
        await compare_by_value(census, work.span)
    for about in LISTINGS:
        await _look_for_unmirrored(work, about)
        await _compare_open_money(work, about)


async def _look_for_unmirrored(work: Reconciliation, about: About) -> None:
    """Look up what only our books name: the mirror has never seen it, or has lost it."""
    channel, census = work.channel, work.census(about)
    zone = channel.account.zone
    found = await unmirrored(
        channel.engine,
        census.scope,
        work.span.begins(zone),
        work.span.ends(zone),
    )
    census.unmirrored.update(found)
    for place, (number, day) in enumerate(found.items()):
        if place < MOST_UNMIRRORED:
            await look_up_one(census, number, day)
        else:
            census.unlooked[number] = day


async def _compare_open_money(work: Reconciliation, about: About) -> None:
    """Read what the ERP waits for money of, however old, and was not read just now."""
    channel, census = work.channel, work.census(about)
    opened = await money_open(
        channel.engine,
        channel.schema,
        census.scope,
        work.span.ends(channel.account.zone),
        work.began,
        MOST_MONEY,
    )
    work.certificate.left[LISTINGS[about].what] = opened.left
    for number, day in opened.days.items():
        await look_up_one(census, number, day)


async def reconcile_with_erp(work: Reconciliation) -> None:
    """Compare the mirror with the ERP and put right what nothing explains.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: a row that is to be put right could not be
            read.
    """
    work.open.clear()
    work.differing.clear()
    work.certificate.rows.clear()
    work.certificate.explained.clear()
    zone = work.channel.account.zone
    for about in (About.ORDER, About.RETURN):
        name = LISTINGS[about].what
        for day in work.span.each():
            one = Span(day, day)
            rows = 0
            async for compared in compare_window(
                _shop(work), about, one.begins(zone), one.ends(zone)
            ):
                rows += compared.rows
                work.certificate.rows[name] += compared.rows
                await _enter(work, await _repaired(work, about, compared.differences))
            if rows:
                work.say(f"{name} of {day}: {rows} compared with the ERP")


async def look_once_more(work: Reconciliation) -> None:
    """Look again at everything that differed: what has settled meanwhile differs no longer.

    Raises the same.
    """
    for census in work.censuses:
        await look_again(census)
    for about in (About.ORDER, About.RETURN):
        differing = [each for each in work.open.values() if each.about is about]
        if differing:
            still = await _repaired(work, about, differing)
            for each in differing:
                del work.open[each.subject]
            await _enter(work, still)


async def certify(work: Reconciliation) -> Certificate:
    """Enter what is left into the certificate, and store it."""
    channel, certificate = work.channel, work.certificate
    account = channel.account
    for census in work.censuses:
        left = [*census.found.values(), *_numbers(census), *_explained_money(work, census)]
        sights = await see(channel.engine, account.platform, account.name, left, work.apart)
        for each in left:
            certificate.enter(each, sights[each.subject])
        await _enter_unlooked(work, census)
        certificate.incomplete += [
            f"{census.name}, {span}: {why}" for span, why in sorted(census.unread.items())
        ]
    open_ones = list(work.open.values())
    sights = await see(channel.engine, account.platform, account.name, open_ones, work.apart)
    for each in open_ones:
        certificate.enter(each, sights[each.subject])
    certificate.requests = dict(channel.tally.requests)
    await forget_unseen(
        channel.engine,
        account.platform,
        account.name,
        work.span.first,
        work.span.last,
        work.began,
        [subject for census in work.censuses for subject in _looked(census)],
    )
    await store(channel.engine, certificate)
    return certificate


async def note_first_sight(work: Reconciliation) -> None:
    """Note everything that a second look will be taken at: its time counts from now."""
    account = work.channel.account
    seen = [
        each
        for census in work.censuses
        for each in (*census.found.values(), *_numbers(census), *_unlooked(census))
    ]
    await see(
        work.channel.engine,
        account.platform,
        account.name,
        [*seen, *work.open.values()],
        work.apart,
    )


def _shop(work: Reconciliation) -> Shop:
    channel = work.channel
    account = channel.account
    return Shop(channel.engine, channel.schema, account.platform, account.name, account.zone)


async def _repaired(
    work: Reconciliation, about: About, differences: Sequence[Difference]
) -> Sequence[Difference]:
    """Bring rows in anew that nothing explains, or that are only late; what differs afterwards."""
    days = {each.number: each.day for each in differences if each.why in _REPAIRED}
    if not days:
        return differences
    account = work.channel.account
    unexplained = [each.number for each in differences if each.why is None]
    await LISTINGS[about].owe(work.channel.engine, account.platform, unexplained)
    await look_up(work.census(about), days)
    after = {each.number: each for each in await compare_these(_shop(work), about, sorted(days))}
    left = [each for each in differences if each.number not in days]
    for each in differences:
        if each.number in days and each.number not in after:
            work.certificate.repaired.add(each)
    return [*left, *after.values()]


async def _enter(work: Reconciliation, differences: Sequence[Difference]) -> None:
    """Enter explained differences; keep the others for a second look."""
    account = work.channel.account
    explained = [each for each in differences if each.why is not None]
    sights = await see(work.channel.engine, account.platform, account.name, explained, work.apart)
    for each in explained:
        work.certificate.enter(each, sights[each.subject])
    work.differing.update((each.about, each.number) for each in differences)
    for each in differences:
        if each.why is None and len(work.open) < MOST_KEPT:
            work.open[each.subject] = each
        elif each.why is None:
            work.certificate.unsure.add(each)


def _numbers(census: Census) -> list[Difference]:
    """Numbers that differ although no row of their days does, and rows without a number.

    Where every row was shown, only the days are others by which eMAG counts them.
    """
    days = {each.day for each in census.found.values()} | set(census.unlooked.values())
    days |= census.unnumbered.keys()
    unnumbered = [
        Difference(
            About.LISTING,
            census.type,
            day,
            f"{census.name}: eMAG shows some without a usable number: {', '.join(sorted(shown))}",
            Why.PARKED,
            "see the inbox",
        )
        for day, shown in sorted(census.unnumbered.items())
    ]
    return unnumbered + [
        Difference(
            About.LISTING,
            census.type,
            span.first,
            f"{census.name}: {text}",
            Why.DATED if span in census.dated else None,
        )
        for span, text in sorted(census.differing.items())
        if days.isdisjoint(span.each())
    ]


def _explained_money(work: Reconciliation, census: Census) -> list[Difference]:
    """What differs in money and is explained, unless the row is named for its state already."""
    about = census.listing.about
    return [
        each
        for number, each in census.money.items()
        if each.why is Why.ELSEWHERE or (about, number) not in work.differing
    ]


async def _enter_unlooked(work: Reconciliation, census: Census) -> None:
    """What was too much to be looked up is unexplained until the next runs have done so."""
    listing, account = census.listing, work.channel.account
    left = _unlooked(census)
    await see(work.channel.engine, account.platform, account.name, left, work.apart)
    for each in left:
        work.certificate.unexplained.add(each)
    if left:
        work.certificate.unlooked[listing.what] += len(left)


def _unlooked(census: Census) -> list[Difference]:
    about = census.listing.about
    return [
        Difference(about, number, day, missing_text(census, number), None, _NOT_LOOKED_UP)
        for number, day in census.unlooked.items()
    ]


def _looked(census: Census) -> Iterator[str]:
    """The subjects under which a row that was looked up may be in the books."""
    for number, day in census.looked.items():
        row = Difference(census.listing.about, number, day, "")
        for each in (row, replace(row, in_erp=True), replace(row, in_erp=True, money=True)):
            yield each.subject
