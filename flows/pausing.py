"""Whether a run would cancel so many orders that a person is asked first.

Nothing is folded, leased or sent to find that out, so rows may wait for the answer as long as it
takes: they stay pending.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from flows.approving import EVERY_ACCOUNT
from flows.parameters import CancellationParameters
from flows.shop import open_channel, open_shop
from integrations.erp.rows import Kind, withdraws
from integrations.ledger.amounts import refunds_of
from integrations.ledger.prospects import prospects
from integrations.settings import load_settings
from integrations.sync.channel import Channel

# Counting goes on beyond what needs asking, so that the person knows what the answer is about.
MOST_COUNTED = 20_000


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
    """

    rows: int
    above: int
    refunds: Mapping[str, Decimal]
    accounts: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        money = ", ".join(f"{amount} {currency}" for currency, amount in self.refunds.items())
        about = f" with refunds of {money}" if money else ""
        many = "at least " if self.rows >= MOST_COUNTED else ""
        each = ", ".join(f"{account} {rows}" for account, rows in self.accounts.items() if rows)
        whose = f" ({each})" if each else ""
        return (
            f"{many}{self.rows} cancellations are due{whose}{about}, more than"
            f" EMAG_CANCELLATIONS_PAUSE_ABOVE={self.above} lets go unasked"
        )

    @property
    def asked(self) -> str:
        """What stands above the form."""
        return (
            f"{self}. Nothing of it is cancelled before you answer: switch Approve on and submit"
            " to cancel them. Submitted with Approve off, none is; they stay pending, and the next"
            " run asks again."
        )

    @property
    def refused(self) -> str:
        """What a run says that was told not to cancel them."""
        return (
            f"nothing was cancelled: {self}. The rows stay pending, and the next run asks again;"
            " reject in the ERP what is not to be cancelled."
        )


async def question_of(parameters: CancellationParameters) -> Question | None:
    """What is to be asked before this run of cancellations; None where it may go ahead.

    Raises:
        ConfigurationError, DatabaseUnreachableError: there is nothing to work with.
    """
    above = load_settings().cancellations_pause_above
    if not above or parameters.unasked or parameters.dry_run or not parameters.direction.goes_out:
        return None
    each = await _by_account(parameters.account, min(parameters.limit, MOST_COUNTED), above)
    rows = sum(question.rows for question in each.values())
    refunds: dict[str, Decimal] = defaultdict(Decimal)
    for question in each.values():
        for currency, amount in question.refunds.items():
            refunds[currency] += amount
    accounts = {name: question.rows for name, question in each.items()} if len(each) > 1 else {}
    return Question(rows, above, refunds, accounts) if rows > above else None


async def open_questions() -> dict[str, Question]:
    """What a person is to be asked before an account's cancellations go, by account; raises so."""
    above = load_settings().cancellations_pause_above
    each = await _by_account(EVERY_ACCOUNT, MOST_COUNTED, above) if above else {}
    return {account: question for account, question in each.items() if question.rows > above}


async def _by_account(account: str, limit: int, above: int) -> dict[str, Question]:
    """What is due in each account, whether or not it is so much that it needs asking."""
    found = {}
    async with open_shop(account) as shop:
        for each in shop.accounts:
            async with open_channel(shop, each, max_in_flight=1) as channel:
                due = await _due(channel, limit)
                refunds = await refunds_of(channel.engine, due)
                found[each.name] = Question(len(due), above, refunds)
    return found


def within_bounds(parameters: CancellationParameters) -> CancellationParameters:
    """The same run, which claims no more than may go unasked, whatever comes in meanwhile."""
    above = load_settings().cancellations_pause_above
    if not above or parameters.unasked or parameters.dry_run:
        return parameters
    return parameters.model_copy(update={"limit": min(parameters.limit, above)})


async def most_unasked(channel: Channel, limit: int, above: int) -> int:
    """How many of an account's cancellations may go unasked now; 0: a person is to be asked."""
    if not above:
        return limit
    due = await _due(channel, MOST_COUNTED)
    return min(limit, above) if len(due) <= above else 0


async def _due(channel: Channel, limit: int) -> list[int]:
    """Numbers of the ERP's rows for which a run would cancel something."""
    found = await prospects(
        channel.engine,
        channel.schema,
        channel.accounts,
        channel.account,
        Kind.CANCELLATION,
        limit,
        require_approval=channel.require_approval,
    )
    return [claim.row_id for claim in found.claims if claim.row and not withdraws(claim.row)]
