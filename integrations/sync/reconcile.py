"""Reconcile one account: eMAG with its mirror, the mirror with the ERP, and a certificate of both.

What differs is put right by the normal way. What differs still is looked at again after a while;
only then it is believed. Everything that was read is stored, so that a reconciliation that was cut
short begins with less to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from integrations.emag.accounts import order_types
from integrations.ledger.certificates import Certificate, store
from integrations.ledger.clock import Clock, read_clock
from integrations.ledger.comparison import Shop, compare_these, compare_window
from integrations.ledger.differences import (
    About,
    Difference,
    Why,
    forget_unseen,
    see,
)
from integrations.sync.census import Census, compare_with_emag, look_again, look_up
from integrations.sync.census_listings import LISTINGS
from integrations.sync.channel import Channel
from integrations.sync.span import DAY, Span

# Days that are reconciled unless somebody asks for others.
USUAL_DAYS = 28

# Differences that one run keeps in mind to look at them again; the others are counted.
MOST_KEPT = 1000

# What a repair is tried for.
_REPAIRED = frozenset({None, Why.OWED})


@dataclass
class Reconciliation:
    """What is known so far; `made` begins one.

    Attributes:
        apart: seconds after which a second look at a difference counts.
        censuses: eMAG's listings that are compared.
        open: what the ERP holds otherwise and nothing explains, by subject.
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
    began: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock.moment

    @property
    def is_sure(self) -> bool:
        """Whether nothing is left that a second look could decide."""
        return not self.open and not any(
            census.found or census.differing or census.unread for census in self.censuses
        )

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
    """Compare eMAG's numbers with the mirror's and read what differs.

    Raises:
        OutageError, BudgetBusyError: nothing can be asked of eMAG now.
    """
    for census in work.censuses:
        census.found.clear()
        await compare_with_emag(census, work.span)


async def reconcile_with_erp(work: Reconciliation) -> None:
    """Compare the mirror with the ERP and put right what nothing explains.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: a row that is to be put right could not be
            read.
    """
    work.open.clear()
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
        left = [*census.found.values(), *_numbers(census)]
        sights = await see(channel.engine, account.platform, account.name, left, work.apart)
        for each in left:
            sight = sights[each.subject]
            dated = each.about is About.LISTING and sight.believed
            certificate.enter(_dated(each) if dated else each, sight)
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
    )
    await store(channel.engine, certificate)
    return certificate


async def note_first_sight(work: Reconciliation) -> None:
    """Note everything that a second look will be taken at: its time counts from now."""
    account = work.channel.account
    seen = [
        each for census in work.censuses for each in (*census.found.values(), *_numbers(census))
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
    for each in differences:
        if each.why is None and len(work.open) < MOST_KEPT:
            work.open[each.subject] = each
        elif each.why is None:
            work.certificate.unsure.add(each)


def _numbers(census: Census) -> list[Difference]:
    """Numbers that differ although no row of their days does."""
    days = {each.day for each in census.found.values()}
    return [
        Difference(About.LISTING, census.type, span.first, f"{census.name}: {text}")
        for span, text in sorted(census.differing.items())
        if days.isdisjoint(span.each())
    ]


def _dated(difference: Difference) -> Difference:
    return Difference(
        difference.about, difference.number, difference.day, difference.text, Why.DATED
    )
