"""How often a program of ours looks for garbage."""

from __future__ import annotations

import gc
from typing import Final

_OBJECTS: Final = 100_000


def look_seldom() -> None:
    """Imports make many objects and no garbage: looking for it would be a tenth of `status`.

    Of a Prefect server's start it would be a sixth.
    """
    gc.set_threshold(_OBJECTS)
