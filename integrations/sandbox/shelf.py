"""Records of one kind, found by id, status, type and time."""

from __future__ import annotations

from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)

from integrations.sandbox.history import History
from integrations.sandbox.ordered import Ordered
from integrations.sandbox.wire import Json

# field: the local texts between which it lies, both included
Windows = Mapping[str, tuple[str, str]]
ANYTIME: Windows = {}

_LARGEST_ID = 2**63

# Of so many questions for numbers the answers are kept, until anything changes: who pages through a
# listing asks the same for every page.
_KEPT = 8


class Shelf:
    """Orders or returns by id, with indexes of those in each status and type, and by their times.

    A record may be put here incomplete, with id, status, type and times; it is completed when
    somebody first looks at it, so that a large shop costs little until it is read. While there is
    a `history`, it hears of every look.
    """

    def __init__(
        self,
        id_key: str,
        status_key: str,
        complete: Callable[[Json], Json],
        history: Callable[[], History | None] = lambda: None,
        times: Collection[str] = (),
    ) -> None:
        self.id_key, self.status_key = id_key, status_key
        self._complete, self._history = complete, history
        self._records: dict[int, Json] = {}
        self._incomplete: set[int] = set()
        self._places: dict[tuple[int, int], Ordered[int]] = {}
        self._times = {key: _Times(key) for key in times}
        self._seen: set[int] = set()
        self._found: dict[Hashable, Sequence[int]] = {}

    def put(self, record: Json, *, complete: bool = True) -> None:
        """Add a record that has id, status, type and times; ValueError when the id is taken."""
        number = record[self.id_key]
        if number in self._records:
            raise ValueError(f"{self.id_key} {number} is there already")
        if history := self._history():
            history.born(self.id_key, number)
        self._found.clear()
        self._records[number] = record
        if not complete:
            self._incomplete.add(number)
        self._place(record).add(number)
        for times in self._times.values():
            times.put(number, record)

    def get(self, number: int) -> Json | None:
        """The complete record, which may be changed in the same step, or None."""
        record = self.show(number)
        if record is not None:
            self._seen.add(number)
        return record

    def show(self, number: int) -> Json | None:
        """The complete record, only to be read, or None."""
        record = self._records.get(number)
        if record is None:
            return None
        if number in self._incomplete:
            self._incomplete.discard(number)
            record = self._records[number] = self._complete(record)
        if history := self._history():
            history.saw(self.id_key, number, record)
        return record

    def peek(self, number: int) -> Json | None:
        """The record, complete or not, only to see what filters ask for; or None."""
        return self._records.get(number)

    def move(self, record: Json, status: int) -> None:
        """Give a record another status."""
        number = record[self.id_key]
        self._found.clear()
        self._place(record).remove(number)
        record[self.status_key] = status
        self._place(record).add(number)

    def numbers(
        self,
        statuses: Collection[int] | None = None,
        kind: int | None = None,
        windows: Windows = ANYTIME,
    ) -> Sequence[int]:
        """Ids in some statuses, of a type and within windows of time, newest (largest) first."""
        self._take_note()
        asked = (None if statuses is None else frozenset(statuses), kind, *windows.items())
        if asked not in self._found:
            if len(self._found) == _KEPT:
                self._found.clear()
            self._found[asked] = self._look(statuses, kind, windows)
        return self._found[asked]

    def _take_note(self) -> None:
        """Of the times of records that may have been changed since the last look."""
        if not self._seen:
            return
        self._found.clear()
        for number in self._seen:
            for times in self._times.values():
                times.put(number, self._records[number])
        self._seen.clear()

    def _look(
        self, statuses: Collection[int] | None, kind: int | None, windows: Windows
    ) -> Sequence[int]:
        places = [
            members
            for (status, its_kind), members in self._places.items()
            if (statuses is None or status in statuses) and (kind is None or its_kind == kind)
        ]
        found = self._within(windows, fewer_than=sum(map(len, places)))
        if found is None:
            found = []
            for members in places:
                found += members.all()
            if windows:
                found = [each for each in found if in_time(self._records[each], windows)]
        else:
            found = [
                each
                for each in found
                if fits(self._records[each], self.status_key, statuses, kind, windows)
            ]
        found.sort(reverse=True)
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._records.clear()
        self._incomplete.clear()
        self._places.clear()
        self._seen.clear()
        self._found.clear()
        self._times = {key: _Times(key) for key in self._times}

    def _within(self, windows: Windows, fewer_than: int) -> list[int] | None:
        """Ids in the window that holds the fewest; None when it does not hold fewer than that."""
        if not windows:
            return None
        counts = {key: self._times[key].count(bounds) for key, bounds in windows.items()}
        key = min(counts, key=counts.__getitem__)
        return self._times[key].within(windows[key]) if counts[key] < fewer_than else None

    def _place(self, record: Json) -> Ordered[int]:
        place = record[self.status_key], record["type"]
        if place not in self._places:
            self._places[place] = Ordered()
        return self._places[place]

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, number: object) -> bool:
        return number in self._records

    def __iter__(self) -> Iterator[int]:
        return iter(self._records)


def fits(
    record: Json,
    status_key: str,
    statuses: Collection[int] | None,
    kind: int | None,
    windows: Windows,
) -> bool:
    """Whether a record is in some statuses, of a type and within windows of time."""
    return (
        (statuses is None or record[status_key] in statuses)
        and (kind is None or record["type"] == kind)
        and in_time(record, windows)
    )


def in_time(record: Json, windows: Windows) -> bool:
    """Whether a record's times lie within windows."""
    return all(start <= record[key] <= end for key, (start, end) in windows.items())


class _Times:
    """The ids of records by one of their times."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._time_of: dict[int, str] = {}
        self._order: Ordered[tuple[str, int]] = Ordered()

    def put(self, number: int, record: Json) -> None:
        """Note when a record was, or is now."""
        was, is_ = self._time_of.get(number), record[self._key]
        if was == is_:
            return
        if was is not None:
            self._order.remove((was, number))
        self._time_of[number] = is_
        self._order.add((is_, number))

    def count(self, bounds: tuple[str, str]) -> int:
        """How many lie within a window."""
        start, end = self._span(bounds)
        return max(0, end - start)

    def within(self, bounds: tuple[str, str]) -> list[int]:
        """The ids within a window."""
        start, end = self._span(bounds)
        return _numbers(self._order.all()[start:end])

    def _span(self, bounds: tuple[str, str]) -> tuple[int, int]:
        return self._order.span((bounds[0], 0), (bounds[1], _LARGEST_ID))


def _numbers(keys: Iterable[tuple[str, int]]) -> list[int]:
    return [number for _, number in keys]
