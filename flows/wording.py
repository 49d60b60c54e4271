"""How numbers are said."""

from __future__ import annotations


def counted(number: int, one: str) -> str:
    """A number of things, named by what one of them is called: `1 request`, `2 requests`."""
    return f"{number} {one}" if number == 1 else f"{number} {one}s"
