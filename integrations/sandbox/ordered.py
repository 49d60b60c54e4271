"""A sorted list that costs little to keep sorted."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Generic, TypeVar

Key = TypeVar("Key", int, tuple[str, int])

FEW = 64


class Ordered(Generic[Key]):
    """Different keys, smallest first. New ones are put in place when somebody looks."""

    def __init__(self) -> None:
        self._sorted: list[Key] = []
        self._new: list[Key] = []

    def add(self, key: Key) -> None:
        """Take a key that isn't there."""
        self._new.append(key)

    def remove(self, key: Key) -> None:
        """Drop a key that is there."""
        keys = self.all()
        del keys[bisect_left(keys, key)]

    def all(self) -> list[Key]:
        """All keys; to be read only."""
        if len(self._new) <= FEW:
            for key in self._new:
                insort(self._sorted, key)
        else:
            self._sorted += self._new
            self._sorted.sort()
        self._new.clear()
        return self._sorted

    def span(self, least: Key, most: Key) -> tuple[int, int]:
        """The places, from and up to, of the keys between two, both included."""
        keys = self.all()
        return bisect_left(keys, least), bisect_right(keys, most)

    def __len__(self) -> int:
        return len(self._sorted) + len(self._new)
