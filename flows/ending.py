"""How a flow's story ended, kept for whoever started it: Prefect may fail to hand it back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

Told = TypeVar("Told")


@dataclass
class Ending:
    """What is known of a story.

    Attributes:
        on_begin: is called as the story begins.
        begun: whether anything of it was done.
        result: what it handed back; None until it has.
        error: what ended it instead.
    """

    on_begin: Callable[[], None] = lambda: None
    begun: bool = False
    result: Any = None
    error: Exception | None = None


ENDING: ContextVar[Ending | None] = ContextVar("ending", default=None)


async def told(story: Awaitable[Told]) -> Told:
    """Await a story, and note in ENDING's Ending, where there is one, how it ended."""
    ending = ENDING.get() or Ending()
    ending.begun = True
    ending.on_begin()
    try:
        result = await story
    except Exception as error:
        ending.error = error
        raise
    ending.result = result
    return result
