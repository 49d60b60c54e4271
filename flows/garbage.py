"""When and where a program of ours looks for garbage."""

from __future__ import annotations

import gc
import threading
import time
from typing import Final

_OBJECTS: Final = 100_000
_SECONDS: Final = 1.0


def look_seldom() -> None:
    """Imports make many objects and no garbage: looking for it would be a tenth of `status`.

    Of a Prefect server's start it would be a sixth.
    """
    gc.set_threshold(_OBJECTS)


def look_aside() -> None:
    """Look for garbage as seldom, and in a thread of its own.

    What is thrown away may have to wait for a lock: a cursor of Prefect's SQLite waits for its
    connection, which may itself wait for another one's transaction. Were the event loop to throw
    the cursor away, then nobody would end that transaction until SQLite gives up, after a minute.
    """
    look_seldom()
    gc.disable()
    threading.Thread(target=_look, name="garbage", daemon=True).start()


def _look() -> None:
    while True:
        time.sleep(_SECONDS)
        if due := _due():
            gc.collect(max(due))


def _due() -> list[int]:
    """The generations that Python would look through by now."""
    made = zip(gc.get_count(), gc.get_threshold(), strict=True)
    return [generation for generation, (count, limit) in enumerate(made) if 0 < limit < count]
