"""The marketplace as it was, for reads that lag behind."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence

from integrations.sandbox.faults import Fault
from integrations.sandbox.history import History
from integrations.sandbox.shelf import ANYTIME, Shelf, Windows, fits
from integrations.sandbox.state import State
from integrations.sandbox.wire import Json


class PastShelf(Shelf):
    """A shelf on which some records are what they were; None are those that were not there yet.

    Only for reading.
    """

    def __init__(self, shelf: Shelf, then: Mapping[int, Json | None]) -> None:
        super().__init__(shelf.id_key, shelf.status_key, complete=lambda record: record)
        self._shelf, self._then = shelf, then

    def get(self, number: int) -> Json | None:
        """As `show`: nobody changes the past."""
        return self.show(number)

    def show(self, number: int) -> Json | None:
        """The record as it was, or None."""
        return self._then[number] if number in self._then else self._shelf.show(number)

    def peek(self, number: int) -> Json | None:
        """The record as it was, complete or not, or None."""
        return self._then[number] if number in self._then else self._shelf.peek(number)

    def numbers(
        self,
        statuses: Collection[int] | None = None,
        kind: int | None = None,
        windows: Windows = ANYTIME,
    ) -> Sequence[int]:
        """Ids of those that were in some statuses, of a type and within windows of time."""
        now = self._shelf.numbers(statuses, kind, windows)
        found = [each for each in now if each not in self._then]
        found += [
            number
            for number, record in self._then.items()
            if record is not None and fits(record, self.status_key, statuses, kind, windows)
        ]
        return sorted(found, reverse=True)

    def __contains__(self, number: object) -> bool:
        if isinstance(number, int) and number in self._then:
            return self._then[number] is not None
        return number in self._shelf


def past_market(market: State, history: History, fault: Fault) -> State:
    """A market whose orders and returns are those of the fault's `effects` or `seconds` ago."""
    past = copy.copy(market)
    past.orders = _past_shelf(market.orders, history, fault)
    past.returns = _past_shelf(market.returns, history, fault)
    return past


def _past_shelf(shelf: Shelf, history: History, fault: Fault) -> Shelf:
    for number in history.numbers(shelf.id_key):
        shelf.show(number)  # the history hears of what changed after the last look
    changed = history.changed(shelf.id_key, seconds=fault.seconds, effects=fault.effects)
    return PastShelf(shelf, dict(changed))
