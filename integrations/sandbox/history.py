"""What records looked like before: kept only while a fault needs it.

Whoever changes a record looks it up first, in the same step. So a difference between two looks
happened right after the first of them, and remembering what each look saw is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from integrations.sandbox.wire import Json, dumps, loads


class Moment(NamedTuple):
    """A point in the market's life: monotonic seconds, and how many effects there were so far."""

    seconds: float
    effects: int


class _Version(NamedTuple):
    """A state of a record since a moment; no text: it was not there yet."""

    since: Moment
    text: bytes | None


class History:
    """The states of the records that were looked at since this was made."""

    def __init__(self, moment: Callable[[], Moment]) -> None:
        self._moment = moment
        self._versions: dict[tuple[str, int], list[_Version]] = {}
        self._looked: dict[tuple[str, int], Moment] = {}

    def born(self, shelf: str, number: int) -> None:
        """A record is about to be there."""
        self._look(shelf, number, None)

    def saw(self, shelf: str, number: int, record: Json) -> None:
        """A record was looked at."""
        self._look(shelf, number, dumps(record))

    def numbers(self, shelf: str) -> list[int]:
        """The ids of a shelf that were looked at."""
        return [number for its_shelf, number in self._versions if its_shelf == shelf]

    def changed(
        self, shelf: str, *, seconds: float = 0.0, effects: int | None = None
    ) -> Iterator[tuple[int, Json | None]]:
        """The records that are not what they were so many seconds (or effects) ago, as they were.

        None stands for one that was not there. What was already so when the history began counts
        as having been so always.
        """
        now = self._moment()

        def reached(since: Moment) -> bool:
            if effects is not None:
                return since.effects <= now.effects - effects
            return since.seconds <= now.seconds - seconds

        for number in self.numbers(shelf):
            first, *later = self._versions[shelf, number]
            then = next((each for each in reversed(later) if reached(each.since)), first)
            if later and then is not later[-1]:
                yield number, None if then.text is None else loads(then.text)

    def _look(self, shelf: str, number: int, text: bytes | None) -> None:
        key, now = (shelf, number), self._moment()
        versions = self._versions.setdefault(key, [])
        if not versions:
            versions.append(_Version(now, text))
        elif versions[-1].text != text:
            last = self._looked[key]
            # the effect of the change was journalled after the look that preceded it
            versions.append(_Version(Moment(last.seconds, last.effects + 1), text))
        self._looked[key] = now
