"""What was found where something was looked at, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

UPGRADE = "run `emag-flows db upgrade`"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what was looked at.
        ok: whether it is as it must be.
        detail: what was found, in a few words.
        remedy: what to do about it; empty where nothing is to be done.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Problem:
    """Something that is not as it must be, and the remedy."""

    detail: str
    remedy: str


def one_line(error: Exception) -> str:
    """What the database says, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def summed_up(name: str, problems: Iterable[Problem], good: str) -> Finding:
    """One finding of all the problems that were found; `good` is its detail where none was."""
    found = list(problems)
    if not found:
        return Finding(name, ok=True, detail=good)
    details = dict.fromkeys(problem.detail for problem in found)
    remedies = dict.fromkeys(problem.remedy for problem in found)
    return Finding(name, ok=False, detail="; ".join(details), remedy="; ".join(remedies))
