"""One account's listing of one type: where it is compared with eMAG, and what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from integrations.emag.accounts import WHOSE
from integrations.ledger.certificates import Certificate
from integrations.ledger.clock import Clock
from integrations.ledger.differences import Difference
from integrations.ledger.mirrored import Scope
from integrations.sync.census_listings import Listing
from integrations.sync.channel import Channel
from integrations.sync.listing import Ends
from integrations.sync.receipt import Receipt
from integrations.sync.span import Span


@dataclass
class Census:
    """What is known so far.

    Attributes:
        certificate: what was compared is entered here.
        found: differences that reading did not put right.
        money: differences in money that are explained, by the row's number.
        undocumented: rows among `found` because a document of ours is gone.
        unlooked: rows of the mirror that eMAG's pages did not show and that were too many to be
            looked up, and when each was placed.
        looked: the same of rows that were looked up by their numbers.
        unmirrored: rows that the ERP's side alone knows.
        differing: days whose numbers still differed after their rows were read, and in what.
        dated: those of them all of whose rows eMAG did show, if under other days.
        unnumbered: what eMAG shows instead of usable numbers, by the day of the rows.
        entered: days whose numbers are in the certificate, as they were compared together.
        unread: days that could not be read whole, and why.
        receipt: what reading brought into the ERP.
        ends: what tells the last page of the listing.
        singles: rows that were looked up by their numbers, of those that differ.
        say: tells a person how far it is.
    """

    channel: Channel
    listing: Listing
    type: int
    clock: Clock
    certificate: Certificate
    say: Callable[[str], None]
    found: dict[int, Difference] = field(default_factory=dict)
    money: dict[int, Difference] = field(default_factory=dict)
    undocumented: set[int] = field(default_factory=set)
    unlooked: dict[int, date] = field(default_factory=dict)
    looked: dict[int, date] = field(default_factory=dict)
    unmirrored: set[int] = field(default_factory=set)
    differing: dict[Span, str] = field(default_factory=dict)
    dated: set[Span] = field(default_factory=set)
    unnumbered: dict[date, set[str]] = field(default_factory=dict)
    entered: set[Span] = field(default_factory=set)
    unread: dict[Span, str] = field(default_factory=dict)
    receipt: Receipt = field(default_factory=Receipt)
    ends: Ends = field(init=False)
    singles: int = 0

    def __post_init__(self) -> None:
        self.ends = Ends.believed(self.channel.profile)

    @property
    def scope(self) -> Scope:
        account = self.channel.account
        return Scope(self.listing.about, account.platform, account.name, self.type, account.zone)

    @property
    def name(self) -> str:
        return f"{self.listing.what}, {WHOSE[self.type]}"

    @property
    def is_sure(self) -> bool:
        """Whether nothing is left that a second look could decide."""
        return not (self.found or self.unlooked or self.differing or self.unread)

    @property
    def read_days(self) -> set[date]:
        """Days of which every row was read."""
        return self.certificate.read.setdefault(self.name, set())
