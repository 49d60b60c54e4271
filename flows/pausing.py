"""Whether a run would cancel so many orders that a person is asked first.

Nothing is folded, leased or sent to find that out, so rows may wait for the answer as long as it
takes: they stay pending. What was asked about is noted, and goes with a person's word alone from
then on, however few of it are left. What an account cancelled unasked in the last hour counts with
what is due, so that a flood that comes row by row is one all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from flows.approving import EVERY_ACCOUNT
from flows.parameters import CancellationParameters
from flows.shop import open_channel, open_shop
from integrations.erp.rows import Kind, withdraws
from integrations.ledger.amounts import refunds_of
from integrations.ledger.asked import asked_about, forget_asked, note_asked
from integrations.ledger.prospects import prospects
from integrations.ledger.unasked import went_unasked
from integrations.settings import load_settings
from integrations.sync.channel import Channel

# Counting goes on beyond what needs asking, so that the person knows what the answer is about.
MOST_COUNTED = 20_000

# What a run says that was told not to cancel what it asked about.
REFUSED = (
    "nothing was cancelled, as a person said. The rows stay pending, and the next run asks again;"
    " reject in the ERP what is not to be cancelled."
)


class ApprovalNeededError(Exception):
    """More cancellations are due than may go without a person's word."""


@dataclass(frozen=True)
class Question:
    """What a person is asked.

    Attributes:
        rows: cancellations that are due.
        above: how many may go unasked.
        refunds: what the ERP would refund for them, by currency; an empty one where it names none.
        accounts: how many of them each account has; empty where they are one account's.
        recent: how many others went unasked in the last hour; a person's word begins it anew.
        again: how many of them a person was asked about before and has not approved.
        about: their numbers, as far as nothing was sent for them, by account.
    """

    rows: int
    above: int
    refunds: Mapping[str, Decimal]
    accounts: Mapping[str, int] = field(default_factory=dict)
    recent: int = 0
    again: int = 0
    about: Mapping[str, Collection[int]] = field(default_factory=dict)

    def __str__(self) -> str:
        money = ", ".join(f"{amount} {currency}" for currency, amount in self.refunds.items())
        about = f" with refunds of {money}" if money else ""
        many = "at least " if self.rows >= MOST_COUNTED else ""
        are = "cancellation is" if self.rows == 1 else "cancellations are"
        each = ", ".join(f"{account} {rows}" for account, rows in self.accounts.items() if rows)
        whose = f" ({each})" if each else ""
        return f"{many}{self.rows} {are} due{whose}{about}, {self._why}"

    @property
    def _why(self) -> str:
        if self._are_too_many:
            recent = f"with the {self.recent} of the last hour " if self.recent else ""
            setting = f"EMAG_CANCELLATIONS_PAUSE_ABOVE={self.above}"
            return f"{recent}more than {setting} lets go unasked"
        return f"{self.again} of which a person was asked about before and has not approved"

    @property
    def is_needed(self) -> bool:
        """Whether any of it has to wait for a person's word."""
        return self._are_too_many or self.again > 0

    @property
    def _are_too_many(self) -> bool:
        return self.rows > 0 and self.rows + self.recent > self.above

    @property
    def asked(self) -> str:
        """What stands above the form."""
        return (
            f"{self}. Nothing of it is cancelled before you answer: switch Approve on and submit"
            " to cancel them. Submitted with Approve off, none is; they stay pending, and the next"
            " run asks again. So it does about what is left where you allow fewer."
        )


async def question_of(parameters: CancellationParameters) -> Question | None:
    """What is to be asked before this run of cancellations; None where it may go ahead.

    Raises:
        ConfigurationError, DatabaseUnreachableError: there is nothing to work with.
    """
    above = load_settings().cancellations_pause_above
    if not above or parameters.unasked or parameters.dry_run or not parameters.direction.goes_out:
        return None
    each = await _by_account(parameters.account, parameters.limit, above)
    if sum(question.rows for question in each.values()) <= above:
        each = {name: question for name, question in each.items() if question.is_needed}
    return _together(each, above) if each else None


def _together(each: Mapping[str, Question], above: int) -> Question:
    """One question about several accounts."""
    refunds: dict[str, Decimal] = defaultdict(Decimal)
    for question in each.values():
        for currency, amount in question.refunds.items():
            refunds[currency] += amount
    return Question(
        sum(question.rows for question in each.values()),
        above,
        refunds,
        {name: question.rows for name, question in each.items()} if len(each) > 1 else {},
        sum(question.recent for question in each.values() if question.rows),
        sum(question.again for question in each.values()),
        {name: rows for question in each.values() for name, rows in question.about.items()},
    )


async def open_questions() -> dict[str, Question]:
    """What a person is to be asked before an account's cancellations go, by account; raises so."""
    above = load_settings().cancellations_pause_above
    each = await _by_account(EVERY_ACCOUNT, MOST_COUNTED, above) if above else {}
    return {account: question for account, question in each.items() if question.is_needed}


async def _by_account(account: str, limit: int, above: int) -> dict[str, Question]:
    """What is due in each account, whether or not it is so much that it needs asking."""
    found = {}
    async with open_shop(account) as shop:
        for each in shop.accounts:
            async with open_channel(shop, each, max_in_flight=1) as channel:
                due = await _due(channel)
                counted = due.rows[:limit]
                refunds = await refunds_of(channel.engine, counted)
                about = {each.name: due.unsent} if due.unsent else {}
                found[each.name] = Question(
                    len(counted),
                    above,
                    refunds,
                    recent=due.recent,
                    again=len(due.again),
                    about=about,
                )
    return found


async def remember(question: Question) -> None:
    """Note what a person is asked about: it is left out of unasked work until it is approved."""
    if not question.about:
        return
    async with open_shop(EVERY_ACCOUNT) as shop:
        for account, rows in question.about.items():
            await note_asked(shop.engine, account, rows)


async def release(account: str, at_most: int) -> None:
    """Let what a person was asked about go, in each account where that is all allowed to go.

    Elsewhere what is left when `at_most` of it have gone waits for a person again.
    """
    async with open_shop(account) as shop:
        for each in shop.accounts:
            async with open_channel(shop, each, max_in_flight=1) as channel:
                if len((await _due(channel)).again) <= at_most:
                    await forget_asked(channel.engine, each.name)


async def most_in_a_run(channel: Channel, limit: int) -> int:
    """How many of an account's rows a run may claim unasked, whatever comes in meanwhile."""
    above = channel.pause_above
    return min(limit, (await _due(channel)).most(above)) if above else limit


async def most_unasked(channel: Channel, limit: int) -> int | None:
    """How many of an account's rows may be claimed unasked now; None: a person is to be asked."""
    above = channel.pause_above
    if not above:
        return limit
    due = await _due(channel)
    if due.again or (due.rows and len(due.rows) + due.recent > above):
        return None
    return min(limit, due.most(above))


@dataclass(frozen=True)
class _Due:
    """Numbers of the ERP's rows for which a run would cancel something.

    Attributes:
        unsent: those of which nothing was sent yet.
        again: of these, those that a person was asked about and has not approved.
        recent: how many others went unasked in the last hour.
        withdrawn: how many rows beside them a run would only settle.
    """

    rows: list[int]
    unsent: list[int]
    again: list[int]
    recent: int
    withdrawn: int

    def most(self, above: int) -> int:
        """How many rows may be claimed where so many go unasked in an hour."""
        return max(0, above - self.recent) + self.withdrawn


async def _due(channel: Channel) -> _Due:
    found = await prospects(
        channel.engine,
        channel.schema,
        channel.accounts,
        channel.account,
        Kind.CANCELLATION,
        MOST_COUNTED,
        require_approval=channel.require_approval,
    )
    due = [claim for claim in found.claims if claim.row and not withdraws(claim.row)]
    unsent = [claim.row_id for claim in due if not claim.sent]
    asked = await asked_about(channel.engine, channel.account.name)
    rows = [claim.row_id for claim in due]
    recent = await went_unasked(channel.engine, channel.account.name) - set(rows)
    again = [row for row in unsent if row in asked]
    withdrawn = len(found.claims) - len(due) + len(found.deleted)
    return _Due(rows, unsent, again, len(recent), withdrawn)
