"""What somebody may have meant by a name that does not exist."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches


def remedy(name: str, known: Collection[str]) -> str:
    """The likely name where there is one, else all names."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
