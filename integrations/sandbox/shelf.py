"""Records of one kind, found by id, status and type."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from integrations.sandbox.history import History
from integrations.sandbox.wire import Json


class Shelf:
    """Orders or returns by id, with an index of those in each status and type.

    A record may be put here incomplete; it is completed when somebody first looks at it, so that a
    large shop costs little until it is read. While there is a `history`, it hears of every look.
    """

    def __init__(
        self,
        id_key: str,
        status_key: str,
        complete: Callable[[Json], Json],
        history: Callable[[], History | None] = lambda: None,
    ) -> None:
        self.id_key, self.status_key = id_key, status_key
        self._complete, self._history = complete, history
        self._records: dict[int, Json] = {}
        self._incomplete: set[int] = set()
        # dicts serve as ordered sets
        self._index: dict[tuple[int, int], dict[int, None]] = {}

    def put(self, record: Json, *, complete: bool = True) -> None:
        """Add a record that has id, status and type; ValueError when the id is taken."""
        number = record[self.id_key]
        if number in self._records:
            raise ValueError(f"{self.id_key} {number} is there already")
        if history := self._history():
            history.born(self.id_key, number)
        self._records[number] = record
        if not complete:
            self._incomplete.add(number)
        self._index.setdefault(self._place(record), {})[number] = None

    def get(self, number: int) -> Json | None:
        """The complete record, or None."""
        record = self._records.get(number)
        if record is not None and number in self._incomplete:
            self._incomplete.discard(number)
            record = self._records[number] = self._complete(record)
        if record is not None and (history := self._history()):
            history.saw(self.id_key, number, record)
        return record

    def move(self, record: Json, status: int) -> None:
        """Give a record another status."""
        number = record[self.id_key]
        del self._index[self._place(record)][number]
        record[self.status_key] = status
        self._index.setdefault(self._place(record), {})[number] = None

    def numbers(
        self, statuses: Collection[int] | None = None, kind: int | None = None
    ) -> list[int]:
        """Ids in some statuses and of a type, newest (largest) first."""
        found: list[int] = []
        for (status, its_kind), members in self._index.items():
            if (statuses is None or status in statuses) and (kind is None or its_kind == kind):
                found.extend(members)
        found.sort(reverse=True)
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._records.clear()
        self._incomplete.clear()
        self._index.clear()

    def _place(self, record: Json) -> tuple[int, int]:
        return record[self.status_key], record["type"]

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, number: object) -> bool:
        return number in self._records

    def __iter__(self) -> Iterator[int]:
        return iter(self._records)
