"""Rows whose last request came to nothing, or may have: whose fault that was is not known yet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

RESPONSE = """CASE WHEN t.emag_response::text ~ '"verdict": ?"(unknown|unavailable)"'
                THEN t.emag_response::text END"""
"""SQL for what our books `t` hold of such a request; an earlier integration's may be anything."""


@dataclass(frozen=True, slots=True)
class FailedWrite:
    """A row's last request, which was lost or could not be served.

    `message` is what was said of it, `in_doubt` whether what it did has still to be read.
    """

    message: str
    in_doubt: bool

    @classmethod
    def of(cls, response: str, *, in_doubt: bool) -> Self:
        """The request of which our books hold this."""
        try:
            message = str(json.loads(response)["message"])
        except (ValueError, KeyError, TypeError):
            message = "eMAG's answer is not known"
        return cls(message, in_doubt)
